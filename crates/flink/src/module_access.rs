//! The module opens and exports that Flink needs from Java 9 on.
//!
//! Flink ships them inside `env.java.opts.all`, so whoever sets that option loses them and
//! Java 17 fails at run time (FLINK-36646). Here what is missing is added.

use super::java::JavaRuntime;
use super::version::FlinkVersion;

/// One opened or exported package, as Flink's shipped configuration lists them.
struct Access {
    option: &'static str,
    package: &'static str,
}

const fn exports(package: &'static str) -> Access {
    Access {
        option: "--add-exports",
        package,
    }
}

const fn opens(package: &'static str) -> Access {
    Access {
        option: "--add-opens",
        package,
    }
}

/// Only Flink 1.x needs this one.
const FIRST_LINE_ONLY: Access = exports("java.base/sun.net.util");

/// In the order of Flink's shipped `env.java.opts.all`.
const NEEDED: [Access; 19] = [
    exports("java.rmi/sun.rmi.registry"),
    exports("jdk.compiler/com.sun.tools.javac.api"),
    exports("jdk.compiler/com.sun.tools.javac.file"),
    exports("jdk.compiler/com.sun.tools.javac.parser"),
    exports("jdk.compiler/com.sun.tools.javac.tree"),
    exports("jdk.compiler/com.sun.tools.javac.util"),
    exports("java.security.jgss/sun.security.krb5"),
    opens("java.base/java.lang"),
    opens("java.base/java.net"),
    opens("java.base/java.io"),
    opens("java.base/java.nio"),
    opens("java.base/sun.nio.ch"),
    opens("java.base/java.lang.reflect"),
    opens("java.base/java.text"),
    opens("java.base/java.time"),
    opens("java.base/java.util"),
    opens("java.base/java.util.concurrent"),
    opens("java.base/java.util.concurrent.atomic"),
    opens("java.base/java.util.concurrent.locks"),
];

/// The options that Flink needs on this Java and that `given` does not hold yet. Packages of
/// modules that the runtime does not have are left out: the JVM would warn about each.
pub fn missing_access(version: &FlinkVersion, java: &JavaRuntime, given: &[String]) -> Vec<String> {
    if java.feature_version < 9 {
        return Vec::new();
    }
    let first_line = version
        .exports_network_internals()
        .then_some(&FIRST_LINE_ONLY);
    first_line
        .into_iter()
        .chain(&NEEDED)
        .filter(|access| !is_given(access, given))
        .filter(|access| {
            let module = access.package.split('/').next().unwrap_or_default();
            java.has_module(module)
        })
        .map(|access| format!("{}={}=ALL-UNNAMED", access.option, access.package))
        .collect()
}

/// Whether an access is among the options, in one argument (`--add-opens=p=ALL-UNNAMED`) or in
/// two.
fn is_given(access: &Access, given: &[String]) -> bool {
    let joined = format!("{}=", access.option);
    let opened_to_all = |target: &str| {
        target.split_once('=').is_some_and(|(package, to)| {
            package == access.package && to.split(',').any(|to| to == "ALL-UNNAMED")
        })
    };
    let in_one = given
        .iter()
        .filter_map(|argument| argument.strip_prefix(&joined));
    let in_two = given.windows(2).filter_map(|pair| match pair {
        [option, target] if option == access.option => Some(target.as_str()),
        _ => None,
    });
    in_one.chain(in_two).any(opened_to_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(feature_version: u32, modules: Option<&[&str]>) -> JavaRuntime {
        JavaRuntime {
            home: "/java".into(),
            executable: "/java/bin/java".into(),
            feature_version,
            modules: modules.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        }
    }

    #[test]
    fn flink_36646_opens_survive_a_replaced_java_options_value() {
        let given = [
            "-Dmine=1".to_owned(),
            "--add-opens=java.base/java.lang=ALL-UNNAMED".to_owned(),
            "--add-opens".to_owned(),
            "java.base/java.util=X,ALL-UNNAMED".to_owned(),
        ];
        let missing = missing_access(&FlinkVersion::new(2, 3, 0), &java(17, None), &given);
        assert_eq!(missing.len(), NEEDED.len() - 2);
        assert!(missing.contains(&"--add-opens=java.base/java.nio=ALL-UNNAMED".to_owned()));
        assert!(!missing.iter().any(|option| option.contains("java.util=")));
    }

    #[test]
    fn flink_1_needs_one_export_more_and_java_8_knows_none() {
        let version = FlinkVersion::new(1, 13, 6);
        let on_17 = missing_access(&version, &java(17, None), &[]);
        assert_eq!(on_17[0], "--add-exports=java.base/sun.net.util=ALL-UNNAMED");
        assert_eq!(on_17.len(), NEEDED.len() + 1);
        assert!(missing_access(&version, &java(8, None), &[]).is_empty());
    }

    #[test]
    fn packages_of_absent_modules_are_left_out() {
        let runtime = java(21, Some(&["java.base"]));
        let missing = missing_access(&FlinkVersion::new(2, 3, 0), &runtime, &[]);
        assert!(missing.iter().all(|option| option.contains("=java.base/")));
        assert_eq!(missing.len(), 12);
    }
}
