//! The streaming example as tests run it: built, and its output read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the example against a Flink home.
pub(crate) fn job_jar(flink_home: &Path, directory: &Path) -> PathBuf {
    let jar = directory.join("job.jar");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/streaming-job/build.sh");
    let compiled = Command::new(build)
        .arg(flink_home)
        .arg(&jar)
        .output()
        .unwrap();
    let said = [compiled.stdout, compiled.stderr].concat();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    jar
}

/// The whole lines that the job has written: digit, count, sum.
pub(crate) fn written(output: &Path) -> Vec<[u64; 3]> {
    let text = fs::read_to_string(output).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let numbers = whole.lines().filter_map(|line| {
        let numbers: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        numbers.try_into().ok()
    });
    numbers.collect()
}
