//! The class path: Flink's jars in Flink's order, then what Hadoop and HBase need.
//!
//! Jars below `lib` come in the order of their paths, byte by byte, with `flink-dist` last.
//! `plugins` and `usrlib` are not on it: Flink loads them with class loaders of their own.
//! Flink's scripts leave empty entries at its end, which puts the working directory on the class
//! path; here there are none.

use std::path::{Path, PathBuf};

/// How the name of the jar with Flink's runtime starts.
pub(super) const DIST_PREFIX: &str = "flink-dist";

/// A directory that could not be listed, and why.
type ListError = (PathBuf, std::io::Error);

/// Every `*.jar` below a directory, sorted by path. Symbolic links to files count as files;
/// symbolic links to directories are not followed.
pub(super) fn jars_below(directory: &Path) -> Result<Vec<PathBuf>, ListError> {
    let mut jars = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        let fault = |source| (directory.clone(), source);
        for entry in std::fs::read_dir(&directory).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let path = entry.path();
            if entry.file_type().map_err(fault)?.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jar") && !path.is_dir()
            {
                jars.push(path);
            }
        }
    }
    // By bytes, where `Path` would compare component by component.
    jars.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(jars)
}

/// How a jar is called on the class path. One below the directory that the JVM works in
/// (`travelled`: Flink's files came into the sandbox) has a relative name, which is the same in
/// every sandbox: a class-data archive is good for one class path.
pub(super) fn class_path_name<'a>(jar: &'a Path, travelled: Option<&Path>) -> &'a Path {
    travelled
        .and_then(|directory| jar.strip_prefix(directory).ok())
        .unwrap_or(jar)
}

/// What Hadoop and HBase add to the class path: `HADOOP_CLASSPATH` as it is, then the
/// configuration directories of Hadoop, YARN and HBase that are set or lie where they usually do.
/// The variables, then `env.hadoop.conf.dir` and its like, then `HADOOP_HOME` and `HBASE_HOME`,
/// then `/etc/hadoop/conf` (unless `HADOOP_CLASSPATH` is set) and `/etc/hbase/conf`.
pub(super) fn hadoop_entries(
    configuration: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
    is_directory: &dyn Fn(&Path) -> bool,
) -> Vec<String> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let set = |name: &str, key: &str| {
        variable(name).or_else(|| configuration(key).filter(|value| !value.is_empty()))
    };
    let below = |home: &str, directory: &str| {
        let path = Path::new(&variable(home)?).join(directory);
        is_directory(&path).then(|| path.to_string_lossy().into_owned())
    };
    let usual = |path: &str| is_directory(Path::new(path)).then(|| path.to_owned());
    let hadoop_class_path = variable("HADOOP_CLASSPATH");
    let hadoop = set("HADOOP_CONF_DIR", "env.hadoop.conf.dir")
        .or_else(|| below("HADOOP_HOME", "etc/hadoop"))
        .or_else(|| below("HADOOP_HOME", "conf"))
        .or_else(|| match &hadoop_class_path {
            Some(_) => None,
            None => usual("/etc/hadoop/conf"),
        });
    let yarn = set("YARN_CONF_DIR", "env.yarn.conf.dir");
    let hbase = set("HBASE_CONF_DIR", "env.hbase.conf.dir")
        .or_else(|| below("HBASE_HOME", "conf"))
        .or_else(|| usual("/etc/hbase/conf"));
    let joined = [hadoop_class_path, hadoop, yarn, hbase];
    joined
        .iter()
        .flatten()
        .flat_map(|entry| entry.split(':'))
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(variables: &[(&str, &str)], keys: &[(&str, &str)], there: &[&str]) -> Vec<String> {
        let find = |pairs: &[(&str, &str)], name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        hadoop_entries(
            &|key| find(keys, key),
            &|name| find(variables, name),
            &|path| there.iter().any(|known| Path::new(known) == path),
        )
    }

    #[test]
    fn jars_are_sorted_by_the_bytes_of_their_paths_as_the_scripts_find_them() {
        let directory = tempfile::tempdir().unwrap();
        let lib = directory.path();
        std::fs::create_dir_all(lib.join("a/b.jar")).unwrap();
        for name in ["b.jar", "a-1.jar", "a/z.jar", "B.jar", "a.txt"] {
            std::fs::write(lib.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(lib.join("b.jar"), lib.join("c.jar")).unwrap();
        let names: Vec<PathBuf> = jars_below(lib)
            .unwrap()
            .into_iter()
            .map(|jar| jar.strip_prefix(lib).unwrap().to_owned())
            .collect();
        let expected = ["B.jar", "a-1.jar", "a/z.jar", "b.jar", "c.jar"];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn nothing_set_adds_nothing_so_the_working_directory_stays_off_the_class_path() {
        assert!(entries(&[], &[], &[]).is_empty());
    }

    #[test]
    fn variables_come_before_options_homes_and_the_usual_places() {
        let usual = ["/etc/hadoop/conf", "/etc/hbase/conf", "/h/etc/hadoop"];
        assert_eq!(
            entries(&[], &[], &usual),
            ["/etc/hadoop/conf", "/etc/hbase/conf"]
        );
        assert_eq!(
            entries(&[("HADOOP_HOME", "/h")], &[], &usual),
            ["/h/etc/hadoop", "/etc/hbase/conf"]
        );
        assert_eq!(
            entries(
                &[
                    ("HADOOP_CLASSPATH", "/x/*:/y.jar:"),
                    ("YARN_CONF_DIR", "/yarn")
                ],
                &[("env.hbase.conf.dir", "/hbase")],
                &usual
            ),
            ["/x/*", "/y.jar", "/yarn", "/hbase"]
        );
    }
}
