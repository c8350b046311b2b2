//! How early a JVM compiles what it runs.
//!
//! By default HotSpot compiles a method after 200 calls, and optimises it after 5,000. A JobManager
//! or TaskManager that starts reaches that with a great many methods which hardly run again: half
//! of the processor time until a TaskManager is registered goes into compiling. What a job
//! runs for each record passes four times the threshold in its first moments all the same
//! (`bench/compilation.sh`).

use super::java::JavaRuntime;

/// Four times as many calls (HotSpot, since Java 9).
const LATER: &str = "-XX:CompileThresholdScaling=4";

/// The oldest Java that knows the option.
const OLDEST_JAVA: u32 = 9;

/// Options with which somebody decides it themselves.
const DECIDING: [&str; 6] = [
    "-XX:CompileThreshold",
    "-XX:Tier",
    "-XX:-Tier",
    "-XX:+Tier",
    "-Xint",
    "-Xcomp",
];

/// What makes a JVM compile later, unless these options of its command decide otherwise.
pub fn compile_later(java: &JavaRuntime, options: &[String]) -> Option<String> {
    let decides = |option: &String| DECIDING.iter().any(|one| option.starts_with(one));
    let free = java.feature_version >= OLDEST_JAVA && !options.iter().any(decides);
    free.then(|| LATER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(feature_version: u32, options: &[&str]) -> bool {
        let java = JavaRuntime {
            home: "/java".into(),
            executable: "/java/bin/java".into(),
            feature_version,
            modules: None,
        };
        let options: Vec<String> = options.iter().map(|one| (*one).to_owned()).collect();
        compile_later(&java, &options).is_some()
    }

    #[test]
    fn a_jvm_compiles_later_unless_somebody_decides_or_it_is_too_old() {
        assert!(chosen(17, &[]));
        assert!(chosen(11, &["-Xmx1g", "-XX:+UseG1GC", "-classpath", "lib"]));
        assert!(!chosen(8, &[]));
        for option in [
            "-XX:CompileThresholdScaling=1",
            "-XX:CompileThreshold=1000",
            "-XX:TieredStopAtLevel=1",
            "-XX:Tier4InvocationThreshold=9000",
            "-XX:-TieredCompilation",
            "-Xint",
            "-Xcomp",
        ] {
            assert!(!chosen(17, &["-Xmx1g", option]), "{option}");
        }
    }
}
