//! What the file store promises.

use proptest::prelude::*;

use super::super::testing::{change, task};
use super::*;
use crate::store::SchedulerStore;
use flugs_base::Failure as _;
use flugs_mesos::wire::FrameworkId;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn journal(directory: &Path) -> PathBuf {
    directory.join("mesos/scheduler.journal")
}

async fn loaded(directory: &Path) -> Result<Snapshot, StoreError> {
    SchedulerStore::in_directory(directory)?.load().await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_loaded_is_what_was_applied_wherever_the_process_ended(
        steps in prop::collection::vec(prop::collection::vec(change(), 0..4), 0..6),
        torn in 1usize..40,
    ) {
        runtime().block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut expected = Snapshot::default();
            for changes in &steps {
                let mut store = SchedulerStore::in_directory(directory.path()).unwrap();
                prop_assert_eq!(&store.load().await.unwrap(), &expected);
                store.apply(changes).await.unwrap();
                for change in changes {
                    expected.apply(change);
                }
                drop(store);
                // The next step was being written when the power failed.
                let line = document::step_line(&[task(9, None)]).unwrap();
                let mut file = OpenOptions::new().append(true).open(journal(directory.path())).unwrap();
                file.write_all(&line[..torn.min(line.len() - 1)]).unwrap();
            }
            prop_assert_eq!(loaded(directory.path()).await.unwrap(), expected);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn unknown_versions_and_damage_are_refused_and_left_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    loaded(directory.path()).await.unwrap();
    let path = journal(directory.path());
    let good = fs::read_to_string(&path).unwrap();
    assert_eq!(
        good,
        "{\"version\":1,\"snapshot\":{\"framework\":null,\"serial\":0,\"tasks\":{}}}\n"
    );
    for (text, expected) in [
        (
            "{\"version\":2,\"later\":true}\n".to_owned(),
            "has version 2, this flugs reads version 1",
        ),
        (good.replace("null", "7"), "is damaged"),
        (good.replace("\"serial\"", "\"number\""), "is damaged"),
        (good.trim_end().to_owned(), "its first line is cut off"),
        (String::new(), "its first line is cut off"),
        (
            format!("{good}{{\"changes\":[{{\"later\":1}}]}}\n"),
            "line 2",
        ),
        (format!("{good}\0\0\n"), "line 2"),
    ] {
        fs::write(&path, &text).unwrap();
        let mut store = SchedulerStore::in_directory(directory.path()).unwrap();
        let error = store.load().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert_eq!(error.exit_code(), flugs_base::ExitCode::StateRefused);
        store.apply(&[task(1, None)]).await.unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[tokio::test]
async fn a_second_scheduler_is_kept_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = SchedulerStore::in_directory(directory.path()).unwrap();
    let error = SchedulerStore::in_directory(directory.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::InUse { path, .. } if path == directory.path()),
        "{error}"
    );
    drop(first);
    SchedulerStore::in_directory(directory.path()).unwrap();
}

#[tokio::test]
async fn the_journal_stays_short_however_much_changes() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SchedulerStore::in_directory(directory.path()).unwrap();
    let many: Vec<Change> = (1..=500).map(|serial| task(serial, None)).collect();
    for _ in 0..40 {
        store.apply(&many).await.unwrap();
    }
    let length = fs::metadata(journal(directory.path())).unwrap().len();
    assert!(length < SHORT + 400_000, "{length}");
    drop(store);
    assert_eq!(loaded(directory.path()).await.unwrap().tasks.len(), 500);
    assert_eq!(
        fs::read_dir(directory.path().join("mesos"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_write_that_failed_can_be_made_again_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SchedulerStore::in_directory(directory.path()).unwrap();
    store
        .apply(&[Change::Framework(Some(FrameworkId::new("f")))])
        .await
        .unwrap();
    let SchedulerStore::File(journal_store) = &store else {
        panic!("not a file");
    };
    // The disk takes no more: a handle that cannot be written to.
    let read_only = File::open(journal(directory.path())).unwrap();
    journal_store.journal.lock().unwrap().file = Some(read_only);
    let error = store.apply(&[task(1, None)]).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::InputOutput {
                action: "write",
                ..
            }
        ),
        "{error}"
    );
    store.apply(&[task(1, None)]).await.unwrap();
    store.apply(&[task(2, None)]).await.unwrap();
    drop(store);
    let snapshot = loaded(directory.path()).await.unwrap();
    assert_eq!(
        (snapshot.framework, snapshot.tasks.len()),
        (Some(FrameworkId::new("f")), 2)
    );
}
