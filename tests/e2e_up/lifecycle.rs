//! From coming up to going down, and what happens when a part is killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use flugs_base::Sha256Digest;

use super::cluster::{TestCluster, children, is_running, kill, text, wait_until};
use super::flink_homes::flink_home;

/// A text that every Debian machine has.
const TEXT: &str = "/usr/share/common-licenses/GPL-3";

/// Counts the words of the text with Flink's own SQL client on the cluster, and compares with
/// what coreutils count.
fn counts_words(version: &str, cluster: &TestCluster) {
    let output = cluster.path("words");
    let run = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wordcount.sh"))
        .arg("--flink-home")
        .arg(flink_home(version))
        .arg("--conf-dir")
        .arg(cluster.path("client-conf"))
        .args(["--input", TEXT, "--output"])
        .arg(&output)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", text(&run));
    let expected = Command::new("sh")
        .args([
            "-c",
            "LC_ALL=C tr -cs 'A-Za-z' '\\n' <\"$0\" | tr A-Z a-z | grep . | sort | uniq -c",
            TEXT,
        ])
        .output()
        .unwrap();
    let expected: BTreeMap<String, u64> = String::from_utf8(expected.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (count, word) = line.trim().split_once(' ').unwrap();
            (word.to_owned(), count.parse().unwrap())
        })
        .collect();
    assert!(expected.len() > 500, "the text has words");
    assert_eq!(counted(&output), expected);
}

/// The counts in the CSV files that the job wrote: `word,count`.
fn counted(directory: &Path) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            || path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(['.', '_'])
        {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let (word, count) = line.split_once(',').unwrap();
            counts.insert(word.to_owned(), count.parse().unwrap());
        }
    }
    counts
}

fn comes_up_counts_words_and_goes_down(version: &str) {
    let cluster = TestCluster::detached(version, &["--taskmanagers", "2", "--slots", "2"]);
    let status = cluster.status();
    assert_eq!(status["phase"], "ready", "{status}");
    assert_eq!(status["flinkVersion"], version);
    let workers = cluster.members("taskmanager");
    assert_eq!(workers.len(), 2);
    assert!(
        workers
            .iter()
            .all(|worker| worker["slots"] == 2 && worker["state"] == "registered")
    );
    counts_words(version, &cluster);
    cluster.down_leaves_nothing();
}

#[test]
fn flink_1_13_6_comes_up_counts_words_and_goes_down() {
    comes_up_counts_words_and_goes_down("1.13.6");
}

#[test]
fn flink_1_20_5_comes_up_counts_words_and_goes_down() {
    comes_up_counts_words_and_goes_down("1.20.5");
}

#[test]
fn flink_2_3_0_comes_up_counts_words_and_goes_down() {
    comes_up_counts_words_and_goes_down("2.3.0");
}

#[test]
fn every_member_went_through_the_whole_path() {
    let cluster = TestCluster::detached("2.3.0", &["--taskmanagers", "1"]);
    for id in ["jobmanager", "taskmanager-1"] {
        let sandbox = cluster.path("sandboxes").join(id);
        let jar = sandbox.join("flink/lib/flink-dist-2.3.0.jar");
        assert!(jar.is_file(), "{} was not fetched", jar.display());
        assert!(
            sandbox.join("conf/config.yaml").is_file(),
            "{id}: not rendered"
        );
        // One JVM below the launcher, and no shell between them.
        let jvm = cluster.jvm(id);
        let program = fs::read_link(format!("/proc/{jvm}/exe")).unwrap();
        assert_eq!(program.file_name().unwrap(), "java");
        assert_eq!(children(jvm), Vec::<i32>::new());
    }
    // The token is in a file of its owner's, and on no command line.
    let token = fs::read_to_string(cluster.path("token")).unwrap();
    for pid in cluster.processes() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&line).contains(token.trim()));
    }
    cluster.down_leaves_nothing();
}

#[test]
fn a_declared_secret_travels_to_every_member_and_stays_out_of_the_shared_cache() {
    let cluster = TestCluster::new("1.20.5");
    let secret = "not for everybody\n";
    fs::write(cluster.path("key.pem"), secret).unwrap();
    let declaration = r#"{"files":[{"source":"key.pem","dest":"tls/key.pem","secret":true}],
                          "properties":{"pipeline.name":"declared"}}"#;
    fs::write(cluster.path("overlay.json"), declaration).unwrap();
    let overlay = cluster.path("overlay.json").display().to_string();
    let up = cluster
        .up(&["--taskmanagers", "1", "--detach", "--overlay", &overlay])
        .output();
    assert!(
        up.as_ref().unwrap().status.success(),
        "{}",
        text(&up.unwrap())
    );
    for id in ["jobmanager", "taskmanager-1"] {
        let sandbox = cluster.path("sandboxes").join(id);
        let placed = sandbox.join("tls/key.pem");
        assert_eq!(fs::read_to_string(&placed).unwrap(), secret);
        assert_eq!(
            fs::metadata(&placed).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let rendered = fs::read_to_string(sandbox.join("conf/config.yaml")).unwrap();
        assert!(rendered.contains("pipeline.name: declared"), "{rendered}");
    }
    let digest = Sha256Digest::of(secret.as_bytes()).to_string();
    assert!(
        files_named(&cluster.path("artifacts"), &digest) > 0,
        "it is in the server's store"
    );
    assert_eq!(files_named(&cluster.path("cache"), &digest), 0);
    cluster.down_leaves_nothing();
}

/// How many files below a directory have a name that holds `part`.
fn files_named(directory: &Path, part: &str) -> usize {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                files_named(&path, part)
            } else {
                usize::from(path.to_string_lossy().contains(part))
            }
        })
        .sum()
}

#[test]
fn kill_9_of_parts_is_recovered_from() {
    let mut cluster = TestCluster::detached("1.20.5", &["--taskmanagers", "2"]);
    let web_url = cluster.status()["webUrl"].clone();

    // A TaskManager's JVM, and then a TaskManager's launcher: each worker is replaced.
    for (victim, process) in [
        (
            "taskmanager-1",
            TestCluster::jvm as fn(&TestCluster, &str) -> i32,
        ),
        ("taskmanager-2", TestCluster::launcher),
    ] {
        let jvm = cluster.jvm(victim);
        kill(process(&cluster, victim), "KILL");
        cluster.wait_until_ready(|status| !status.to_string().contains(&format!("{victim}\"")));
        wait_until("the dead worker's JVM is gone", || !is_running(jvm));
    }
    let ids: Vec<String> = cluster
        .members("taskmanager")
        .iter()
        .map(|worker| worker["id"].to_string())
        .collect();
    assert_eq!(ids, ["\"taskmanager-3\"", "\"taskmanager-4\""]);

    // The JobManager's JVM, and then its launcher: started again in place, workers come back.
    for process in [
        TestCluster::jvm as fn(&TestCluster, &str) -> i32,
        TestCluster::launcher,
    ] {
        let before = cluster.launcher("jobmanager");
        kill(process(&cluster, "jobmanager"), "KILL");
        wait_until("the JobManager is another process", || {
            let members = cluster.members("jobmanager");
            members.iter().any(|member| member["pid"] != before)
        });
        cluster.wait_until_ready(|status| status["members"].as_array().unwrap().len() == 3);
    }
    assert_eq!(cluster.status()["webUrl"], web_url);
    let after: Vec<String> = cluster
        .members("taskmanager")
        .iter()
        .map(|worker| worker["id"].to_string())
        .collect();
    assert_eq!(after, ids, "the workers survived their JobManager");
    cluster.down_leaves_nothing();
}

#[test]
fn kill_9_of_up_leaves_no_orphan_and_the_directory_usable() {
    let mut cluster = TestCluster::in_foreground("2.3.0", &["--taskmanagers", "1"]);
    cluster.wait_until_ready(|_| true);
    assert!(cluster.processes().len() >= 4);
    kill(cluster.master(), "KILL");
    cluster.foreground.take().unwrap().wait().unwrap();
    wait_until("the members notice that their parent is gone", || {
        cluster.processes().is_empty()
    });
    assert_eq!(cluster.status()["phase"], "stopped");
    cluster.down_leaves_nothing();

    // The same directory again, with a number that was not given before.
    let mut up = cluster.flugs("up");
    up.arg("--flink-home")
        .arg(flink_home("2.3.0"))
        .args(["--taskmanagers", "1", "--detach"]);
    let up = up.output().unwrap();
    assert!(up.status.success(), "{}", text(&up));
    assert_eq!(cluster.members("taskmanager")[0]["id"], "taskmanager-2");
    cluster.down_leaves_nothing();
}

#[test]
fn ctrl_c_stops_workers_and_then_the_job_manager_and_ends_with_0() {
    let mut cluster = TestCluster::in_foreground("2.3.0", &["--taskmanagers", "1"]);
    cluster.wait_until_ready(|_| true);
    let (job_manager, worker) = (cluster.jvm("jobmanager"), cluster.jvm("taskmanager-1"));
    kill(cluster.master(), "INT");
    wait_until("the worker has ended", || !is_running(worker));
    let (worker_ended, job_manager_ran) = (Instant::now(), is_running(job_manager));
    wait_until("the JobManager has ended", || !is_running(job_manager));
    assert!(job_manager_ran, "the JobManager ended before its worker");
    assert!(worker_ended.elapsed() < super::cluster::PATIENCE);
    let status = cluster.foreground.take().unwrap().wait().unwrap();
    assert_eq!(status.code(), Some(0));
    cluster.nothing_is_left();
}
