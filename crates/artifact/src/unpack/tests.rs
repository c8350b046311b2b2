//! The hostile-archive suite: one fixture, built here, for every rule and every CVE of the
//! archive tools' history that it stems from. Each is refused by its own rule, nothing is
//! written outside, nothing is left behind.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

/// A tar archive under construction, header by header, right or wrong as the test wants it.
#[derive(Default)]
struct Tar(Vec<u8>);

struct Header<'a> {
    name: &'a str,
    kind: u8,
    size: u64,
    mode: u32,
    target: &'a str,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Self {
            name: "x",
            kind: b'0',
            size: 0,
            mode: 0o644,
            target: "",
        }
    }
}

impl Tar {
    fn raw(mut self, header: &Header<'_>, content: &[u8]) -> Self {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, header.name);
        put(100, &format!("{:07o}", header.mode));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", header.size));
        put(136, "00000000000");
        put(148, "        ");
        put(157, header.target);
        put(257, "ustar\u{0}00");
        block[156] = header.kind;
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self.0.extend(content);
        let padded = self.0.len().next_multiple_of(512);
        self.0.resize(padded, 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        let size = content.len() as u64;
        let header = Header {
            name,
            size,
            ..Header::default()
        };
        self.raw(&header, content)
    }

    fn link(self, name: &str, target: &str) -> Self {
        let header = Header {
            name,
            target,
            kind: b'2',
            ..Header::default()
        };
        self.raw(&header, b"")
    }

    fn of_kind(self, kind: u8) -> Self {
        let header = Header {
            kind,
            target: "target",
            ..Header::default()
        };
        self.raw(&header, b"")
    }

    fn extended(self, kind: u8, records: &str) -> Self {
        let size = records.len() as u64;
        let header = Header {
            name: "PaxHeader",
            kind,
            size,
            ..Header::default()
        };
        self.raw(&header, records.as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn record(key: &str, value: &str) -> String {
    let bare = key.len() + value.len() + 3;
    let mut length = bare + 1;
    while length.to_string().len() + bare != length {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

/// Where a test unpacks, with everything around it under watch.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        fs::create_dir(stage.0.path().join("work")).unwrap();
        fs::write(stage.0.path().join("victim"), "untouched").unwrap();
        stage
    }

    fn unpack(&self, archive: &[u8], limits: &Limits) -> Result<Unpacked, UnpackError> {
        let path = self.0.path().join("archive");
        fs::write(&path, archive).unwrap();
        unpack(&path, &self.dest(), limits)
    }

    fn dest(&self) -> std::path::PathBuf {
        self.0.path().join("work/dest")
    }

    fn assert_untouched(&self) {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["archive", "victim", "work"]);
        assert_eq!(
            fs::read(self.0.path().join("victim")).unwrap(),
            b"untouched"
        );
        assert_eq!(fs::read_dir(self.0.path().join("work")).unwrap().count(), 0);
    }
}

fn refusal_within(archive: &[u8], limits: &Limits) -> Rule {
    let stage = Stage::new();
    let error = stage.unpack(archive, limits).unwrap_err();
    assert_eq!(
        flugs_base::Failure::exit_code(&error),
        flugs_base::ExitCode::ArchiveRefused
    );
    stage.assert_untouched();
    match error {
        UnpackError::Entry { rule, .. } | UnpackError::Archive { rule, .. } => rule,
        other => panic!("{other:?}"),
    }
}

fn refusal(archive: &[u8]) -> Rule {
    refusal_within(archive, &Limits::default())
}

fn damage(archive: &[u8]) -> String {
    let stage = Stage::new();
    let error = stage.unpack(archive, &Limits::default()).unwrap_err();
    stage.assert_untouched();
    match error {
        UnpackError::Damaged { source, .. } => source.to_string(),
        other => panic!("{other:?}"),
    }
}

fn tar() -> Tar {
    Tar::default()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_good_archive_arrives_whole_in_every_format() {
    let plain = tar()
        .raw(
            &Header {
                name: "./",
                kind: b'5',
                mode: 0o755,
                ..Header::default()
            },
            b"",
        )
        .raw(
            &Header {
                name: "./bin/",
                kind: b'5',
                mode: 0o755,
                ..Header::default()
            },
            b"",
        )
        .raw(
            &Header {
                name: "./bin/run.sh",
                size: 3,
                mode: 0o755,
                ..Header::default()
            },
            b"#!x",
        )
        .file("./lib/a.jar", &vec![7; 100_000])
        .link("./bin/again", "../bin/run.sh")
        .end();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for archive in [plain.clone(), gzip(&plain), zstd] {
        let stage = Stage::new();
        let unpacked = stage.unpack(&archive, &Limits::default()).unwrap();
        assert_eq!(
            unpacked,
            Unpacked {
                entries: 5,
                bytes: 100_003
            }
        );
        let at = |name: &str| stage.dest().join(name);
        assert_eq!(fs::read(at("lib/a.jar")).unwrap(), vec![7; 100_000]);
        assert_eq!(fs::read(at("bin/again")).unwrap(), b"#!x");
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode("bin/run.sh"), mode("lib/a.jar"), mode("")),
            (0o755, 0o644, 0o755)
        );
    }
}

#[test]
fn an_existing_tree_is_never_unpacked_over() {
    let stage = Stage::new();
    let archive = tar().file("x", b"1").end();
    fs::create_dir(stage.dest()).unwrap();
    stage.unpack(&archive, &Limits::default()).unwrap();
    let again = stage.unpack(&archive, &Limits::default());
    assert!(matches!(again, Err(UnpackError::Exists { .. })));
    assert_eq!(fs::read(stage.dest().join("x")).unwrap(), b"1");
}

/// Among many others: the crates `unzip` and `runzip`, whose advisories were never fixed.
#[test]
fn zip_slip_absolute_and_odd_names() {
    for (name, rule) in [
        ("../victim", Rule::ParentInName),
        ("a/../../victim", Rule::ParentInName),
        ("/etc/passwd", Rule::Absolute),
        ("a//b", Rule::OddName),
        ("a\\b", Rule::Backslash),
        ("a\u{1b}[2Jb", Rule::Control),
    ] {
        assert_eq!(refusal(&tar().file(name, b"x").end()), rule, "{name}");
        assert_eq!(refusal(&zip(&[(name, b"x", 0o100_644)])), rule, "{name}");
    }
}

#[test]
fn hard_links_devices_fifos_sparse_files_and_unknown_kinds() {
    let kinds = [
        (b'1', Rule::HardLink),
        (b'3', Rule::Device),
        (b'4', Rule::Device),
        (b'6', Rule::Fifo),
        (b'S', Rule::Sparse),
        (
            b'7',
            Rule::Kind {
                kind: "7".to_owned(),
            },
        ),
        (
            b'V',
            Rule::Kind {
                kind: "V".to_owned(),
            },
        ),
    ];
    for (kind, rule) in kinds {
        let archive = tar().of_kind(kind).end();
        if kind == b'S' {
            // The library may refuse what is no GNU header by itself: refused it is either way.
            let stage = Stage::new();
            stage.unpack(&archive, &Limits::default()).unwrap_err();
            stage.assert_untouched();
        } else {
            assert_eq!(refusal(&archive), rule);
        }
    }
    let sparse = tar()
        .extended(b'x', &record("GNU.sparse.major", "1"))
        .file("x", b"")
        .end();
    assert_eq!(refusal(&sparse), Rule::Sparse);
}

#[test]
fn rustsec_2018_0002_a_hard_link_is_not_a_way_to_overwrite() {
    let archive = tar()
        .raw(
            &Header {
                kind: b'1',
                target: "../../victim",
                ..Header::default()
            },
            b"",
        )
        .file("x", b"overwritten")
        .end();
    assert_eq!(refusal(&archive), Rule::HardLink);
}

#[test]
fn rustsec_2021_0080_and_cve_2025_8959_nothing_is_made_through_a_link() {
    let archive = tar().link("d", ".").file("d/x", b"").end();
    assert_eq!(
        refusal(&archive),
        Rule::ThroughOther {
            above: "d".to_owned()
        }
    );
    let archive = tar().link("d", "../..").file("d/x", b"").end();
    assert_eq!(
        refusal(&archive),
        Rule::LinkEscapes {
            target: "../..".to_owned()
        }
    );
}

#[test]
fn rustsec_2026_0067_a_directory_does_not_change_modes_through_a_link() {
    let archive = tar()
        .link("d", "e")
        .raw(
            &Header {
                name: "d/",
                kind: b'5',
                mode: 0o777,
                ..Header::default()
            },
            b"",
        )
        .end();
    assert_eq!(refusal(&archive), Rule::Duplicate);
}

#[test]
fn rustsec_2026_0068_headers_that_disagree_about_the_size() {
    let archive = tar()
        .extended(b'x', &record("size", "512"))
        .file("x", &[b'a'; 1024])
        .end();
    let (first, second) = (1024, 512);
    assert_eq!(refusal(&archive), Rule::SizesDisagree { first, second });
}

/// GHSA-3cv2-h65g-fgmm (astral-tokio-tar before 0.6.2) and CVE-2026-53655 (node-tar) are the same.
#[test]
fn ghsa_3pv8_6f4r_ffg2_an_extended_size_is_not_that_of_the_next_header() {
    let archive = tar()
        .extended(b'x', &record("size", "1024"))
        .raw(
            &Header {
                name: "././@LongLink",
                kind: b'L',
                size: 5,
                ..Header::default()
            },
            b"long\0",
        )
        .file("x", b"four")
        .end();
    let (first, second) = (4, 1024);
    assert_eq!(refusal(&archive), Rule::SizesDisagree { first, second });
}

#[test]
fn cve_2025_62518_a_nested_archive_is_content_and_not_entries() {
    let hidden = tar().file("hidden", b"smuggled").end();
    let size = hidden.len() as u64;
    let archive = tar()
        .extended(b'x', &record("size", &size.to_string()))
        .raw(
            &Header {
                name: "outer",
                size: 0,
                ..Header::default()
            },
            &hidden,
        )
        .end();
    let stage = Stage::new();
    stage.unpack(&archive, &Limits::default()).unwrap();
    let names: Vec<_> = fs::read_dir(stage.dest())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["outer"]);
    assert_eq!(fs::read(stage.dest().join("outer")).unwrap(), hidden);
}

#[test]
fn ghsa_fp55_jw48_c537_a_malformed_extended_header_is_an_error() {
    let twice = record("path", "a") + &record("path", "b");
    for records in ["nonsense\n", "99 path=x\n", "8 size=x\n", &twice] {
        let archive = tar().extended(b'x', records).file("x", b"").end();
        let rule = refusal(&archive);
        assert!(
            matches!(rule, Rule::ExtendedHeader { .. }),
            "{records:?}: {rule:?}"
        );
    }
}

#[test]
fn an_extended_name_is_held_to_the_same_rules() {
    let named = |path: &str| {
        tar()
            .extended(b'x', &record("path", path))
            .file("harmless", b"")
            .end()
    };
    assert_eq!(refusal(&named("../victim")), Rule::ParentInName);
    assert_eq!(refusal(&named("a\0b")), Rule::Control);
    assert_eq!(refusal(&named(&"n".repeat(300))), Rule::LongName);
    let target = "../../victim".to_owned();
    let linked = tar()
        .extended(b'x', &record("linkpath", &target))
        .link("l", "harmless")
        .end();
    assert_eq!(refusal(&linked), Rule::LinkEscapes { target });
}

#[test]
fn global_headers_may_comment_and_nothing_else() {
    let with = |records: &str| tar().extended(b'g', records).file("x", b"1").end();
    let stage = Stage::new();
    let comment = with(&record("comment", "0123abcd"));
    stage.unpack(&comment, &Limits::default()).unwrap();
    let key = "path".to_owned();
    assert_eq!(
        refusal(&with(&record("path", "y"))),
        Rule::GlobalHeader { key }
    );
}

#[test]
fn cve_2026_29786_a_hard_link_is_refused_wherever_it_seems_to_lead() {
    for target in ["C:../victim", "../victim", "x", "./x"] {
        let header = Header {
            name: "l",
            kind: b'1',
            target,
            ..Header::default()
        };
        let archive = tar().file("x", b"1").raw(&header, b"").end();
        assert_eq!(refusal(&archive), Rule::HardLink, "{target}");
    }
}

#[test]
fn cve_2026_31802_links_that_lead_out_by_themselves_or_together() {
    let target = |text: &str| text.to_owned();
    assert_eq!(
        refusal(&tar().link("l", "/etc/passwd").end()),
        Rule::LinkAbsolute {
            target: target("/etc/passwd")
        }
    );
    assert_eq!(
        refusal(&tar().link("l", "../victim").end()),
        Rule::LinkEscapes {
            target: target("../victim")
        }
    );
    for drive in ["C:../../../victim", "C:/../../victim"] {
        assert_eq!(
            refusal(&tar().link("l", drive).end()),
            Rule::LinkWinding {
                target: target(drive)
            }
        );
    }
    let together = tar().link("a/b/c", "../..").link("l", "a/b/c/../..").end();
    assert_eq!(
        refusal(&together),
        Rule::LinkWinding {
            target: target("a/b/c/../..")
        }
    );
    assert_eq!(
        refusal(&tar().link("l", "l").end()),
        Rule::LinkResolvesOutside
    );
}

#[test]
fn a_header_that_programs_read_differently_is_refused_also_before_an_extension() {
    let good = tar()
        .extended(b'x', &record("comment", "c"))
        .file("x", b"1")
        .end();
    for at in [101, 109, 1024 + 101, 1024 + 329] {
        let mut archive = good.clone();
        archive[at] = b'9';
        let block = at / 512 * 512;
        archive[block + 148..block + 156].fill(b' ');
        let sum: u32 = archive[block..block + 512]
            .iter()
            .map(|byte| u32::from(*byte))
            .sum();
        archive[block + 148..block + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(matches!(refusal(&archive), Rule::Ambiguous { .. }), "{at}");
    }
}

#[test]
fn an_endless_extension_header_is_not_read_into_memory() {
    let header = Header {
        name: "././@LongLink",
        kind: b'L',
        size: 3 << 20,
        ..Header::default()
    };
    let archive = tar()
        .raw(&header, &vec![b'n'; 3 << 20])
        .file("x", b"1")
        .end();
    assert_eq!(refusal(&archive), Rule::ExtensionSize { limit: 1 << 20 });
}

#[test]
fn duplicates_special_bits_and_hidden_content() {
    let twice = tar().file("x", b"1").file("x", b"2").end();
    assert_eq!(refusal(&twice), Rule::Duplicate);
    let setuid = tar()
        .raw(
            &Header {
                mode: 0o4755,
                ..Header::default()
            },
            b"",
        )
        .end();
    assert_eq!(refusal(&setuid), Rule::SpecialBits { mode: 0o4755 });
    let header = Header {
        name: "d/",
        kind: b'5',
        size: 512,
        ..Header::default()
    };
    assert_eq!(refusal(&tar().raw(&header, &[1; 512]).end()), Rule::Content);
}

#[test]
fn cve_2026_5704_no_entry_hides_where_one_program_looks_and_another_does_not() {
    // As the content of what has none: skipped by one, read as entries by another.
    let hidden = tar().file("hidden", b"smuggled").0;
    let size = hidden.len() as u64;
    for kind in [b'2', b'5'] {
        let header = Header {
            name: "x",
            kind,
            size,
            target: "y",
            ..Header::default()
        };
        let archive = tar().raw(&header, &hidden).end();
        assert_eq!(refusal(&archive), Rule::Content, "{kind}");
    }
    // Behind the end marker.
    let mut archive = tar().file("x", b"1").end();
    archive.extend(tar().file("hidden", b"2").end());
    assert_eq!(refusal(&archive), Rule::Trailing);
    assert_eq!(refusal(&gzip(&archive)), Rule::Trailing);
}

#[test]
fn an_archive_that_is_cut_is_refused_wherever_the_cut_is() {
    let archive = tar().file("x", &[0; 2048]).file("y", &[1; 700]).end();
    let whole = archive.len();
    assert_eq!(refusal(&archive[..whole - 1024]), Rule::NoEnd);
    assert_eq!(refusal(&archive[..whole - 512]), Rule::NoEnd);
    for cut in [600, 2560, 3000, whole - 1100] {
        let stage = Stage::new();
        stage
            .unpack(&archive[..cut], &Limits::default())
            .unwrap_err();
        stage.assert_untouched();
    }
}

#[test]
fn a_wrong_crc_and_bytes_behind_a_compressed_stream_are_found_by_reading_it_to_its_end() {
    let good = gzip(&tar().file("x", b"1").end());
    let mut wrong = good.clone();
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    assert!(damage(&wrong).contains("corrupt"), "{}", damage(&wrong));
    damage(&[&good[..], b"trailing"].concat());
    damage(&good[..good.len() - 4]);
    let zstd = zstd::encode_all(&tar().file("x", b"1").end()[..], 1).unwrap();
    damage(&[&zstd[..], b"trailing"].concat());
    damage(&zstd[..zstd.len() - 1]);
}

#[test]
fn a_wrong_header_checksum_is_damage() {
    let mut archive = tar().file("x", b"1").file("y", b"2").end();
    archive[1024] ^= 1;
    damage(&archive);
}

#[test]
fn cve_2023_0475_bombs() {
    let limits = Limits {
        ratio: 20,
        ratio_floor: 1 << 20,
        total_bytes: 8 << 20,
        file_bytes: 4 << 20,
        entries: 50,
        depth: 5,
        ..Limits::default()
    };
    let zeros = vec![0; 3 << 20];
    let bomb = gzip(&tar().file("a", &zeros).end());
    assert_eq!(refusal_within(&bomb, &limits), Rule::Ratio { limit: 20 });
    let noise: Vec<u8> = noise(3 << 20);
    let three = tar()
        .file("a", &noise)
        .file("b", &noise)
        .file("c", &noise)
        .end();
    assert_eq!(
        refusal_within(&three, &limits),
        Rule::TotalSize { limit: 8 << 20 }
    );
    let claimed = Header {
        size: 5 << 20,
        ..Header::default()
    };
    let archive = tar().raw(&claimed, b"").end();
    assert_eq!(
        refusal_within(&archive, &limits),
        Rule::FileSize { limit: 4 << 20 }
    );
    let many = (0..51)
        .fold(tar(), |tar, n| tar.file(&n.to_string(), b""))
        .end();
    assert_eq!(refusal_within(&many, &limits), Rule::Entries { limit: 50 });
    let deep = tar().file("a/b/c/d/e/f", b"").end();
    assert_eq!(refusal_within(&deep, &limits), Rule::Depth { limit: 5 });
    // Zeros behind the end marker expand as well.
    let mut padded = tar().file("a", b"").end();
    padded.extend(vec![0; 4 << 20]);
    assert_eq!(
        refusal_within(&gzip(&padded), &limits),
        Rule::Ratio { limit: 20 }
    );
}

#[test]
fn unpacking_takes_no_longer_than_it_may() {
    let limits = Limits {
        time: Duration::ZERO,
        ..Limits::default()
    };
    let archive = tar().file("x", b"1").end();
    assert_eq!(refusal_within(&archive, &limits), Rule::Time { limit: 0 });
}

#[test]
fn other_formats_are_named() {
    for (bytes, word) in [
        (&b"\xfd7zXZ\0"[..], "xz"),
        (b"BZh9", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"", "empty"),
        (b"#!/bin/sh", "no archive"),
    ] {
        let stage = Stage::new();
        let error = stage.unpack(bytes, &Limits::default()).unwrap_err();
        assert!(matches!(error, UnpackError::Format { .. }));
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_digest_is_checked_before_anything_is_parsed() {
    let stage = Stage::new();
    let path = stage.0.path().join("archive");
    fs::write(&path, tar().file("../x", b"").end()).unwrap();
    let wrong = Sha256Digest::of(b"other");
    let error = unpack_verified(&path, &wrong, &stage.dest(), &Limits::default()).unwrap_err();
    assert!(matches!(error, UnpackError::Digest { .. }), "{error}");
    stage.assert_untouched();
}

/// Sets a byte of the first header, and the checksum so that it is right again.
fn patched(mut archive: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    archive[at] = byte;
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

#[test]
fn names_and_targets_that_are_empty_or_not_text() {
    let plain = || tar().file("x", b"1").end();
    assert_eq!(refusal(&patched(plain(), 0, 0xff)), Rule::NotUtf8);
    assert_eq!(refusal(&patched(plain(), 0, 0)), Rule::NoName);
    assert_eq!(refusal(&tar().link("l", "").end()), Rule::LinkEmpty);
    assert_eq!(refusal(&zip(&[("", b"1", 0o100_644)])), Rule::NoName);
    assert_eq!(refusal(&zip(&[("l", b"", 0o120_777)])), Rule::LinkEmpty);
    let mut named = zip(&[("ab", b"1", 0o100_644)]);
    let places = named.windows(2).enumerate();
    let places: Vec<_> = places.filter(|(_, two)| two == b"ab").collect();
    let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
    for at in places {
        named[at] = 0xff;
    }
    assert_eq!(refusal(&named), Rule::NotUtf8);
}

#[test]
fn an_encrypted_zip_entry_is_refused() {
    let mut archive = zip(&[("a", b"0123456789abcdef", 0o100_644)]);
    let directory = archive.windows(4).position(|four| four == b"PK\x01\x02");
    for at in [6, directory.unwrap() + 8] {
        archive[at] |= 1;
    }
    assert_eq!(refusal(&archive), Rule::Encrypted);
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A zip archive of stored entries with full Unix modes, made by hand so that it can be wrong.
fn zip(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    Zip::of(entries).bytes()
}

struct Zip {
    locals: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
    comment: Vec<u8>,
}

impl Zip {
    fn of(entries: &[(&str, &[u8], u32)]) -> Self {
        let mut zip = Self {
            locals: Vec::new(),
            directory: Vec::new(),
            count: 0,
            comment: Vec::new(),
        };
        for (name, content, mode) in entries {
            zip.add(name, name, content, *mode);
        }
        zip
    }

    fn add(&mut self, local: &str, listed: &str, content: &[u8], mode: u32) {
        let start = u32::try_from(self.locals.len()).unwrap();
        let common = |name: &str| {
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let size = u32::try_from(content.len()).unwrap().to_le_bytes();
            let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
            [
                &[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0][..],
                &crc.sum().to_le_bytes(),
                &size,
                &size,
                &name_length,
                &[0, 0],
            ]
            .concat()
        };
        self.locals
            .extend([b"PK\x03\x04", &common(local)[..], local.as_bytes(), content].concat());
        let external = (mode << 16).to_le_bytes();
        self.directory.extend(
            [
                &b"PK\x01\x02\x14\x03"[..],
                &common(listed),
                &[0; 6],
                &external,
                &start.to_le_bytes(),
                listed.as_bytes(),
            ]
            .concat(),
        );
        self.count += 1;
    }

    fn bytes(&self) -> Vec<u8> {
        let directory_size = u32::try_from(self.directory.len()).unwrap().to_le_bytes();
        let directory_start = u32::try_from(self.locals.len()).unwrap().to_le_bytes();
        let count = self.count.to_le_bytes();
        let comment = u16::try_from(self.comment.len()).unwrap().to_le_bytes();
        [
            &self.locals[..],
            &self.directory,
            b"PK\x05\x06\0\0\0\0",
            &count,
            &count,
            &directory_size,
            &directory_start,
            &comment,
            &self.comment,
        ]
        .concat()
    }
}

#[test]
fn a_good_zip_archive_arrives_whole() {
    let archive = zip(&[
        ("bin/", b"", 0o040_755),
        ("bin/run.sh", b"#!x", 0o100_755),
        ("lib/a", b"content", 0),
        ("l", b"bin/run.sh", 0o120_777),
    ]);
    let stage = Stage::new();
    stage.unpack(&archive, &Limits::default()).unwrap();
    assert_eq!(fs::read(stage.dest().join("l")).unwrap(), b"#!x");
    assert_eq!(fs::read(stage.dest().join("lib/a")).unwrap(), b"content");
}

#[test]
fn zip_files_written_by_the_usual_writer_with_compression_and_descriptors_are_read() {
    let mut writer = ::zip::ZipWriter::new_stream(Vec::new());
    let options = ::zip::write::SimpleFileOptions::default()
        .compression_method(::zip::CompressionMethod::Deflated);
    for name in ["a", "b/c"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(&[b'x'; 10_000]).unwrap();
    }
    let archive = writer.finish().unwrap().into_inner();
    let stage = Stage::new();
    let unpacked = stage.unpack(&archive, &Limits::default()).unwrap();
    assert_eq!(unpacked.bytes, 20_000);
}

/// CVE-2025-29787 is GHSA-94vh-gphv-8pm8.
#[test]
fn cve_2025_29787_and_cve_2025_55188_a_zip_entry_does_not_follow_an_earlier_link() {
    let archive = zip(&[("d", b".", 0o120_777), ("d/x", b"", 0o100_644)]);
    assert_eq!(
        refusal(&archive),
        Rule::ThroughOther {
            above: "d".to_owned()
        }
    );
    let archive = zip(&[("d", b"/tmp", 0o120_777)]);
    assert_eq!(
        refusal(&archive),
        Rule::LinkAbsolute {
            target: "/tmp".to_owned()
        }
    );
}

#[test]
fn zip_kinds_and_bits() {
    for (mode, rule) in [
        (0o020_644, Rule::Device),
        (0o010_644, Rule::Fifo),
        (
            0o140_644,
            Rule::Kind {
                kind: "140000".to_owned(),
            },
        ),
        (0o104_755, Rule::SpecialBits { mode: 0o4755 }),
    ] {
        assert_eq!(refusal(&zip(&[("x", b"", mode)])), rule);
    }
}

#[test]
fn a_zip_directory_that_tells_another_story_than_its_entries() {
    let mut archive = Zip::of(&[]);
    archive.add("evil", "good", b"x", 0o100_644);
    assert_eq!(
        refusal(&archive.bytes()),
        Rule::DirectoryDisagrees { about: "name" }
    );
    let mut hidden = Zip::of(&[("a", b"1", 0o100_644)]);
    let directory = hidden.directory.clone();
    hidden.add("hidden", "hidden", b"2", 0o100_644);
    hidden.directory = directory;
    hidden.count = 1;
    assert_eq!(refusal(&hidden.bytes()), Rule::Layout);
    let twice = zip(&[("a", b"1", 0o100_644), ("a", b"2", 0o100_644)]);
    assert_eq!(refusal(&twice), Rule::Duplicate);
}

#[test]
fn zip_parts_may_not_overlap_be_preceded_or_followed() {
    // The quoted-overlap bomb: two directory entries share one local entry.
    let mut overlap = Zip::of(&[("a", b"1", 0o100_644)]);
    let again = overlap.directory.clone();
    let end = again.len();
    overlap.directory.extend(again);
    overlap.directory[2 * end - 1] = b'b';
    overlap.count = 2;
    assert_eq!(refusal(&overlap.bytes()), Rule::Layout);
    let mut comment = Zip::of(&[("a", b"1", 0o100_644)]);
    comment.comment = b"PK\x05\x06".repeat(6);
    assert_eq!(refusal(&comment.bytes()), Rule::EndRecord);
    let good = zip(&[("a", b"1", 0o100_644)]);
    assert_eq!(refusal(&[&good[..], b"tail"].concat()), Rule::EndRecord);
}

#[test]
fn zip_bombs_and_wrong_checksums() {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default()
        .compression_method(::zip::CompressionMethod::Deflated);
    writer.start_file("zeros", options).unwrap();
    writer.write_all(&vec![0; 3 << 20]).unwrap();
    let bomb = writer.finish().unwrap().into_inner();
    let limits = Limits {
        ratio: 20,
        ratio_floor: 1 << 20,
        ..Limits::default()
    };
    assert_eq!(refusal_within(&bomb, &limits), Rule::Ratio { limit: 20 });
    let mut wrong = zip(&[("a", b"12345678", 0o100_644)]);
    wrong[31] ^= 1;
    damage(&wrong);
}
