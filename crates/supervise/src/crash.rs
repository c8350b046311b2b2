//! Files that a crashed JVM leaves: fatal-error logs and heap dumps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::report::CrashFiles;
use super::supervision::Supervision;

/// The JVM's options that say where (`java` manual, "Advanced Runtime Options").
const ERROR_FILE: &str = "-XX:ErrorFile=";
const HEAP_DUMP: &str = "-XX:HeapDumpPath=";

/// File systems date files by a coarser clock, which is behind the one that dated the start.
const COARSE: Duration = Duration::from_secs(1);

/// At most so many of each are named.
const SHOWN: usize = 20;

/// The crash files that were written since `began`.
pub(super) fn crash_files(supervision: &Supervision, began: SystemTime) -> CrashFiles {
    let mut fatal_error_logs = Vec::new();
    let mut heap_dumps = Vec::new();
    for directory in directories(supervision) {
        for path in recent_files(&directory, began) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if is_fatal_error_log(&name, supervision) {
                fatal_error_logs.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "hprof")
            {
                heap_dumps.push(path);
            }
        }
    }
    for list in [&mut fatal_error_logs, &mut heap_dumps] {
        list.sort();
        list.dedup();
        list.truncate(SHOWN);
    }
    CrashFiles {
        fatal_error_logs,
        heap_dumps,
        thread_dumps: Vec::new(),
    }
}

/// The working directory, the configured ones, and those that the program's options name.
fn directories(supervision: &Supervision) -> Vec<PathBuf> {
    let own = supervision.directory.clone();
    let mut found = vec![own.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())];
    found.extend(supervision.crash_directories.iter().cloned());
    for option in [ERROR_FILE, HEAP_DUMP] {
        for path in values(supervision, option) {
            if path.is_dir() {
                found.push(path.to_owned());
            } else if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                found.push(parent.to_owned());
            }
        }
    }
    found
}

fn values<'a>(supervision: &'a Supervision, option: &'a str) -> impl Iterator<Item = &'a Path> {
    let arguments = supervision.arguments.iter();
    arguments.filter_map(move |argument| argument.strip_prefix(option).map(Path::new))
}

/// `hs_err_pid123.log`, or what `-XX:ErrorFile` says with `%p` for the process id.
fn is_fatal_error_log(name: &str, supervision: &Supervision) -> bool {
    if name.starts_with("hs_err_pid") {
        return true;
    }
    values(supervision, ERROR_FILE).any(|path| {
        let pattern = path.file_name().unwrap_or_default().to_string_lossy();
        match pattern.split_once("%p") {
            Some((before, after)) => name.starts_with(before) && name.ends_with(after),
            None => pattern == name,
        }
    })
}

fn recent_files(directory: &Path, began: SystemTime) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let changed = entry.metadata().and_then(|found| found.modified());
            changed.is_ok_and(|changed| changed + COARSE >= began)
        })
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    fn names(paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    }

    #[test]
    fn crash_files_are_found_where_the_jvm_puts_them_and_old_ones_are_not() {
        let work = tempfile::tempdir().unwrap();
        let dumps = tempfile::tempdir().unwrap();
        let write = |path: PathBuf| fs::write(path, "x").unwrap();
        write(work.path().join("hs_err_pid7.log"));
        write(work.path().join("other.log"));
        write(dumps.path().join("java_pid7.hprof"));
        write(dumps.path().join("crash-7.txt"));
        let mut supervision = Supervision::of("java");
        supervision.directory = Some(work.path().to_owned());
        supervision.arguments = vec![
            format!("{ERROR_FILE}{}/crash-%p.txt", dumps.path().display()),
            format!("{HEAP_DUMP}{}", dumps.path().display()),
        ];
        let began = SystemTime::now() - Duration::from_secs(60);
        let found = crash_files(&supervision, began);
        assert_eq!(names(&found.fatal_error_logs).len(), 2);
        assert_eq!(names(&found.heap_dumps), ["java_pid7.hprof"]);
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(crash_files(&supervision, later), CrashFiles::default());
    }
}
