//! The streaming example as tests run it: built, and its output read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flugs_base::Sha256Digest;

/// The example in this directory. A compiler takes longer than what most tests do with the job, so
/// it is compiled once for each Flink home and each state of its sources.
pub(crate) fn job_jar(flink_home: &Path, directory: &Path) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let build = examples.join("streaming-job/build.sh");
    let home = flink_home.canonicalize().unwrap();
    let mut inputs = home.to_str().unwrap().as_bytes().to_vec();
    for file in ["java-job.sh", "streaming-job/StreamingJob.java"] {
        inputs.extend(fs::read(examples.join(file)).unwrap());
    }
    let state = Sha256Digest::of(&inputs);
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let compiled = shared.join(format!("streaming-job-{state}.jar"));
    if !compiled.exists() {
        let own = shared.join(format!("streaming-job-{}.jar", std::process::id()));
        let build = Command::new(build).arg(home).arg(&own).output().unwrap();
        let said = [build.stdout, build.stderr].concat();
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&said));
        // Whole or not at all, whoever else does the same.
        fs::rename(own, &compiled).unwrap();
    }
    let jar = directory.join("job.jar");
    fs::copy(compiled, &jar).unwrap();
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
