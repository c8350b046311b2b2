use super::*;
use proptest::prelude::*;

fn epoch(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_failed_launch_names_its_phase_its_reason_and_its_code() {
    let error = ReportError {
        path: "/full/x".into(),
        error: io::Error::from(io::ErrorKind::StorageFull),
    };
    let mut report = ExitReport::of_failure("taskmanager-1", Phase::Fetch, &error, epoch(5));
    report.stopped = rfc3339(epoch(7));
    insta::assert_snapshot!(report.to_json(), @r#"
        {
          "version": 1,
          "name": "taskmanager-1",
          "phase": "fetch",
          "reason": "launch-failed",
          "message": "cannot write the exit report /full/x: no storage space; is its directory there, writable, and not full?",
          "exitCode": 88,
          "started": "1970-01-01T00:00:05.000Z",
          "stopped": "1970-01-01T00:00:07.000Z",
          "restarts": 0,
          "phases": [],
          "memory": {},
          "outOfMemory": {
            "kernelKills": 0,
            "limitHits": 0
          },
          "crashFiles": {
            "fatalErrorLogs": [],
            "heapDumps": [],
            "threadDumps": []
          },
          "orphansReaped": 0,
          "outputBytesDropped": 0,
          "lastErrorLines": []
        }
        "#);
}

#[test]
fn writing_leaves_the_report_alone_in_its_directory_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("exit-report.json");
    let mut file = ReportFile::reserve(&path).unwrap();
    for code in [1, 2] {
        let mut report = ExitReport::new("x", Phase::Run, Reason::Exited, epoch(0));
        report.exit_code = code;
        file.write(&report).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<ExitReport>(&text).unwrap(), report);
    }
    drop(file);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_reservation_that_is_not_used_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    drop(ReportFile::reserve(&directory.path().join("r.json")).unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_directory_is_named() {
    let error = ReportFile::reserve(Path::new("/nonexistent/r.json")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/r.json"), "{error}");
}

/// What a real report may hold.
fn any_report() -> impl Strategy<Value = ExitReport> {
    let reasons = prop_oneof![
        Just(Reason::Exited),
        Just(Reason::OomKilled),
        Just(Reason::Unhealthy),
        Just(Reason::LaunchFailed),
    ];
    let lines = proptest::collection::vec("\\PC{0,80}", 0..20);
    (reasons, any::<u8>(), "\\PC{0,200}", lines).prop_map(|(reason, code, message, lines)| {
        ExitReport {
            exit_code: code,
            message,
            last_error_lines: lines,
            ..ExitReport::new("taskmanager-1", Phase::Run, reason, epoch(5))
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(report in any_report()) {
        prop_assert_eq!(ExitReport::parse(report.to_json().as_bytes()), Ok(report));
    }

    #[test]
    fn bytes_that_are_no_report_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ExitReport::parse(&bytes).is_err());
    }
}

#[test]
fn another_format_is_refused_and_not_guessed_at() {
    let report = ExitReport::new("x", Phase::Run, Reason::Exited, epoch(0)).to_json();
    let parse = |text: &str| ExitReport::parse(text.as_bytes()).unwrap_err();
    let newer = report.replace("\"version\": 1", "\"version\": 2");
    assert_eq!(parse(&newer), ReportFormatError::Version { found: 2 });
    let unknown = report.replace("\"name\"", "\"nome\": 1, \"name\"");
    assert!(parse(&unknown).to_string().contains("nome"));
    let long = report.replace("\"x\"", &format!("\"{}\"", "x".repeat(LONGEST_REPORT)));
    assert!(matches!(parse(&long), ReportFormatError::TooLong { .. }));
}
