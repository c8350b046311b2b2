use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    (directory, store)
}

/// A file whose times lie in the past, as files that are added mostly are.
fn old_file(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    std::thread::park_timeout(Duration::from_millis(120));
}

#[test]
fn an_object_is_read_only_and_named_by_its_digest() {
    let (_keep, store) = store();
    let object = store.add_bytes(b"flink").unwrap();
    assert_eq!(object.digest, Sha256Digest::of(b"flink"));
    assert_eq!(object.size, 5);
    let name = object.digest.to_string();
    assert!(
        object
            .path
            .ends_with(format!("sha256/{}/{name}", name.get(..2).unwrap()))
    );
    assert_eq!(fs::metadata(&object.path).unwrap().mode() & 0o7777, 0o444);
    assert_eq!(store.get(&object.digest), Some(object));
    assert_eq!(store.get(&Sha256Digest::of(b"other")), None);
}

#[test]
fn a_file_and_equal_bytes_are_one_object_and_nothing_is_left_beside_it() {
    let (keep, store) = store();
    let content = vec![7; 3 << 20];
    let path = keep.path().join("file");
    fs::write(&path, &content).unwrap();
    let from_file = store.add_file(&path).unwrap();
    assert_eq!(store.add_bytes(&content).unwrap(), from_file);
    assert_eq!(store.list().unwrap(), [from_file]);
    assert_eq!(
        fs::read_dir(store.temporary_directory()).unwrap().count(),
        0
    );
}

#[test]
fn adding_an_unchanged_file_again_does_not_read_it() {
    let (keep, store) = store();
    let path = keep.path().join("file");
    old_file(&path, b"one");
    let first = store.add_file(&path).unwrap();
    // Were it read, the object would be published anew under another inode.
    let inode = fs::metadata(&first.path).unwrap().ino();
    assert_eq!(store.add_file(&path).unwrap(), first);
    assert_eq!(fs::metadata(&first.path).unwrap().ino(), inode);
}

#[test]
fn a_changed_file_of_equal_size_and_time_is_read_again() {
    let (keep, store) = store();
    let path = keep.path().join("file");
    old_file(&path, b"one");
    store.add_file(&path).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, b"two").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(before)
        .unwrap();
    assert_eq!(
        store.add_file(&path).unwrap().digest,
        Sha256Digest::of(b"two")
    );
}

#[test]
fn a_remembered_file_whose_object_is_gone_is_added_again() {
    let (keep, store) = store();
    let path = keep.path().join("file");
    old_file(&path, b"one");
    let object = store.add_file(&path).unwrap();
    fs::remove_file(&object.path).unwrap();
    assert_eq!(store.add_file(&path).unwrap(), object);
}

#[test]
fn a_directory_and_a_missing_file_are_refused_by_name() {
    let (keep, store) = store();
    assert!(matches!(
        store.add_file(keep.path()),
        Err(StoreError::NotAFile { .. })
    ));
    let error = store.add_file(&keep.path().join("absent")).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn a_secret_is_readable_by_its_owner_alone_and_says_so() {
    let (_keep, store) = store();
    let object = store.add_secret_bytes(b"keytab").unwrap();
    assert!(object.secret);
    assert_eq!(fs::metadata(&object.path).unwrap().mode() & 0o7777, 0o400);
    assert!(store.look(&object.digest).unwrap().secret);
    // The same bytes added in the open do not make the secret one public.
    store.add_bytes(b"keytab").unwrap();
    assert!(store.look(&object.digest).unwrap().secret);
}

#[test]
fn a_read_only_placement_is_a_hard_link_and_a_second_one_is_free() {
    let (keep, store) = store();
    let object = store.add_bytes(b"jar").unwrap();
    let dest = keep.path().join("lib.jar");
    assert_eq!(
        store.place(&object.digest, &dest, 0o444).unwrap(),
        Placement::Linked
    );
    assert_eq!(
        store.place(&object.digest, &dest, 0o444).unwrap(),
        Placement::Present
    );
    assert_eq!(fs::metadata(&object.path).unwrap().nlink(), 2);
}

#[test]
fn a_writable_placement_is_a_copy_that_the_object_does_not_share() {
    let (keep, store) = store();
    let object = store.add_bytes(b"conf").unwrap();
    let dest = keep.path().join("flink-conf.yaml");
    fs::write(&dest, b"what was there").unwrap();
    assert_eq!(
        store.place(&object.digest, &dest, 0o644).unwrap(),
        Placement::Copied
    );
    let mut file = fs::File::options().append(true).open(&dest).unwrap();
    file.write_all(b"+").unwrap();
    assert_eq!(fs::read(&dest).unwrap(), b"conf+");
    assert_eq!(fs::read(&object.path).unwrap(), b"conf");
    assert_eq!(fs::metadata(&dest).unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn placing_what_is_not_there_or_where_nothing_can_be_says_which() {
    let (keep, store) = store();
    let absent = Sha256Digest::of(b"absent");
    let dest = keep.path().join("x");
    assert!(matches!(
        store.place(&absent, &dest, 0o444),
        Err(StoreError::Missing { .. })
    ));
    let object = store.add_bytes(b"x").unwrap();
    let nowhere = keep.path().join("no/such/directory");
    assert!(matches!(
        store.place(&object.digest, &nowhere, 0o444),
        Err(StoreError::Place { .. })
    ));
}

#[test]
fn a_damaged_object_is_found_and_removed() {
    let (_keep, store) = store();
    let object = store.add_bytes(b"good").unwrap();
    assert_eq!(store.verify(&object).unwrap(), Verified::Sound);
    fs::remove_file(&object.path).unwrap();
    fs::write(&object.path, b"evil").unwrap();
    let found = Sha256Digest::of(b"evil");
    assert_eq!(store.verify(&object).unwrap(), Verified::Damaged { found });
    assert_eq!(store.get(&object.digest), None);
}

fn use_at(object: &StoredObject, seconds: u64) {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let times = fs::FileTimes::new().set_accessed(then);
    let file = fs::File::open(&object.path).unwrap();
    file.set_times(times).unwrap();
}

#[test]
fn eviction_takes_the_least_recently_used_first_and_stops_when_the_rest_fits() {
    let (_keep, store) = store();
    let objects: Vec<_> = (0..4u8)
        .map(|n| store.add_bytes(&[n; 100]).unwrap())
        .collect();
    for (age, object) in [3, 1, 2, 4].into_iter().zip(&objects) {
        use_at(object, age);
    }
    let report = store.evict(Eviction { max_bytes: 250 }).unwrap();
    assert_eq!(report.removed, [objects[1].clone(), objects[2].clone()]);
    assert_eq!(report.kept_bytes, 200);
}

#[test]
fn a_use_saves_an_object_from_eviction() {
    let (_keep, store) = store();
    let (old, new) = (
        store.add_bytes(b"old").unwrap(),
        store.add_bytes(b"new").unwrap(),
    );
    use_at(&old, 1);
    use_at(&new, 2);
    store.get(&old.digest).unwrap();
    let report = store.evict(Eviction { max_bytes: 3 }).unwrap();
    assert_eq!(report.removed, [new]);
}

#[test]
fn what_a_running_launch_holds_stays_until_it_lets_go() {
    let (_keep, store) = store();
    let object = store.add_bytes(b"held").unwrap();
    let lease = store.lease(&[object.digest]).unwrap();
    let nothing = Eviction { max_bytes: 0 };
    let report = store.evict(nothing).unwrap();
    assert_eq!((report.removed.len(), report.held_bytes), (0, 4));
    drop(lease);
    assert_eq!(store.evict(nothing).unwrap().removed, [object]);
}

#[test]
fn the_lease_of_a_dead_process_holds_nothing() {
    let (_keep, store) = store();
    let object = store.add_bytes(b"x").unwrap();
    let stale = store.root().join("leases/dead.lease");
    fs::write(&stale, format!("{}\n", object.digest)).unwrap();
    let report = store.evict(Eviction { max_bytes: 0 }).unwrap();
    assert_eq!(report.removed, [object]);
    assert!(!stale.exists());
}

#[test]
fn concurrent_writers_of_one_object_all_succeed() {
    let (_keep, store) = store();
    let content = vec![1; 200_000];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| store.add_bytes(&content).unwrap());
        }
    });
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(
        fs::read_dir(store.temporary_directory()).unwrap().count(),
        0
    );
}

#[test]
fn what_a_crash_left_half_written_is_never_an_object_and_is_swept_when_old() {
    let (_keep, store) = store();
    let left = store.temporary_directory().join("add-crashed");
    fs::write(&left, b"half").unwrap();
    assert!(store.list().unwrap().is_empty());
    store.evict(Eviction { max_bytes: 0 }).unwrap();
    assert!(left.exists(), "it may belong to a writer at work");
    fs::File::options()
        .write(true)
        .open(&left)
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(25 * 60 * 60))
        .unwrap();
    store.evict(Eviction { max_bytes: 0 }).unwrap();
    assert!(!left.exists());
}
