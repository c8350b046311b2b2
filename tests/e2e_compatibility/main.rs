//! The rows of `docs/compatibility.md` with real releases on real Javas: what is refused fails without
//! the refusal, and its neighbours come up.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

#[path = "../flink_homes/mod.rs"]
mod flink_homes;
mod jvm;
#[path = "../zookeeper_support/server.rs"]
mod server;

use std::path::Path;

use flugs_base::ExitCode;
use jvm::JobManager;
use server::Server;

/// The jars of Hadoop 2.7.3: `./test.sh` fetches them.
fn hadoop() -> String {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hdfs");
    assert!(
        jars.is_dir(),
        "no Hadoop: make it with tools/hdfs.sh jars target/hdfs"
    );
    format!("{}/*", jars.display())
}

/// Puts entries behind the class path, where Flink's own scripts put them.
fn class_path(words: &mut [String], entries: &str) {
    let at = words.iter().position(|word| word == "-classpath").unwrap();
    words[at + 1] = format!("{}:{entries}", words[at + 1]);
}

fn code(code: ExitCode) -> i32 {
    code.code().into()
}

fn quorum(server: &Server, chroot: &str) -> String {
    format!(
        "high-availability.zookeeper.quorum={}{chroot}",
        server.address()
    )
}

#[test]
fn hadoop_before_3_5_fails_on_java_25_and_works_on_java_21() {
    let flink = "2.3.0";
    let said = JobManager::of(flink, 25)
        .with_hadoop(&hadoop())
        .refusal(code(ExitCode::Incompatible));
    assert!(said.contains("HADOOP-19212"), "{said}");
    let went = JobManager::of(flink, 25).by_hand(|words| class_path(words, &hadoop()));
    assert!(!went.leads, "{went:?}");
    assert!(
        went.said.contains("getSubject is not supported"),
        "{went:?}"
    );
    let went = JobManager::of(flink, 21).with_hadoop(&hadoop()).launched();
    assert!(went.leads, "{went:?}");
    // Without Hadoop, that Java is fine.
    let went = JobManager::of(flink, 25).launched();
    assert!(went.leads, "{went:?}");
}

#[test]
fn zookeeper_of_flink_1_13_connects_on_java_11_and_to_nothing_on_java_21() {
    let server = Server::start();
    let (flink, mode) = ("1.13.6", "high-availability=zookeeper");
    let said = JobManager::of(flink, 21)
        .with(mode)
        .with(&quorum(&server, ""))
        .refusal(code(ExitCode::Incompatible));
    assert!(said.contains("ZOOKEEPER-3779"), "{said}");
    let went = JobManager::of(flink, 21).by_hand(|words| {
        for setting in [mode, &quorum(&server, "")] {
            words.extend(["-D".to_owned(), setting.to_owned()]);
        }
    });
    assert!(!went.leads, "{went:?}");
    let went = JobManager::of(flink, 11)
        .with(mode)
        .with(&quorum(&server, ""))
        .launched();
    assert!(went.leads, "{went:?}");
}

#[test]
fn flink_makes_no_chroot_and_does_not_name_it_when_it_dies_of_that() {
    let server = Server::start();
    let missing = quorum(&server, "/of/nobody");
    let manager = || JobManager::of("2.3.0", 21);
    let said = manager()
        .with("high-availability.type=zookeeper")
        .with(&missing)
        .refusal(code(ExitCode::ChrootMissing));
    assert!(said.contains("create /of/nobody"), "{said}");
    let went = manager().by_hand(|words| {
        for setting in ["high-availability.type=zookeeper", &missing] {
            words.extend(["-D".to_owned(), setting.to_owned()]);
        }
    });
    assert!(
        !went.leads && went.code.is_some_and(|code| code != 0),
        "{went:?}"
    );
    assert!(went.said.contains("NoNode for /flink"), "{went:?}");
    // What is below the quorum Flink makes.
    let went = manager()
        .with("high-availability.type=zookeeper")
        .with(&quorum(&server, ""))
        .with("high-availability.zookeeper.path.root=/of/nobody")
        .launched();
    assert!(went.leads, "{went:?}");
}

#[test]
fn nightly_every_release_comes_up_on_every_java_with_zookeeper_where_it_is_not_refused() {
    let server = Server::start();
    for flink in ["1.13.6", "1.20.5", "2.3.0"] {
        for java in [11, 21, 25] {
            let plain = JobManager::of(flink, java).launched();
            assert!(plain.leads, "Flink {flink} on Java {java}: {plain:?}");
            let key = if flink == "1.13.6" {
                "high-availability"
            } else {
                "high-availability.type"
            };
            let available = JobManager::of(flink, java)
                .with(&format!("{key}=zookeeper"))
                .with(&format!("high-availability.cluster-id=/{flink}-{java}"))
                .with(&quorum(&server, ""));
            if flink == "1.13.6" && java > 13 {
                available.refusal(code(ExitCode::Incompatible));
            } else {
                let went = available.launched();
                assert!(went.leads, "Flink {flink} on Java {java}: {went:?}");
            }
        }
    }
}
