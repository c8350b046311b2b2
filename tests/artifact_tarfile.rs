//! The differential test: what the unpacker accepts, Python's `tarfile` reads in the same way.
//! A disagreement between two parsers is how entries have been smuggled, again and again.
#![expect(
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and it runs another program to compare with"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use flugs_artifact::unpack::{self, Limits, Node};

/// Makes good archives in all formats of tar, and broken ones by changing bytes of their
/// headers; then lists every one of them with `tarfile`.
const SCRIPT: &str = r#"
import io, json, os, random, sys, tarfile
where = sys.argv[1]
random.seed(20260501)
formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}

def name(long):
    parts = ["".join(random.choice("abcdefgé_-. ") for _ in range(random.randint(1, 9))).strip(". ") or "x"
             for _ in range(random.randint(1, 4))]
    if long and random.random() < 0.3:
        parts.insert(0, "n" * random.randint(90, 200))
    return "/".join(parts)

def archive(kind):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=formats[kind]) as tar:
        used = set()
        for _ in range(random.randint(1, 12)):
            entry = tarfile.TarInfo(name(kind != "ustar"))
            parents = [entry.name[:i] for i, c in enumerate(entry.name) if c == "/"]
            if entry.name in used or any(p in used for p in parents):
                continue
            used.add(entry.name)
            choice = random.random()
            if choice < 0.2:
                entry.type = tarfile.SYMTYPE
                entry.linkname = name(kind != "ustar")
                tar.addfile(entry)
            elif choice < 0.3:
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o755
                used.discard(entry.name)
                used.add(entry.name + "/")
                tar.addfile(entry)
            else:
                content = os.urandom(random.choice([0, 1, 511, 512, 513, 3000]))
                entry.size = len(content)
                entry.mtime = random.choice([0, 1.5, 2**33] if kind == "pax" else [0, 1])
                tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()

def broken(data):
    data = bytearray(data)
    for _ in range(random.randint(1, 3)):
        block = random.randrange(0, len(data) // 512) * 512
        at = block + random.choice([0, 1, 50, 99, 101, 106, 124, 130, 134, 156, 157, 257, 263, 345, random.randrange(512)])
        data[at] = random.choice([0, 32, 46, 47, 48, 49, 50, 53, 55, 76, 120, 103, 255, random.randrange(256)])
        if random.random() < 0.8:
            data[block + 148:block + 156] = b" " * 8
            total = sum(data[block:block + 512])
            data[block + 148:block + 156] = b"%06o\0 " % total
    if random.random() < 0.1:
        data = data[:random.randrange(len(data))]
    return bytes(data)

def text(name):
    # Names that are not UTF-8 hold surrogates here, which JSON readers refuse.
    return name.encode("utf-8", "replace").decode()

def listing(data):
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            return [[text(e.name), "file" if e.isreg() else "directory" if e.isdir() else "link" if e.issym() else "other",
                     e.size if e.isreg() else 0, text(e.linkname) if e.issym() else ""] for e in tar.getmembers()]
    except Exception as error:
        return text(str(error)) or type(error).__name__

result = {}
for number in range(150):
    kind = random.choice(list(formats))
    good = archive(kind)
    result[f"good-{number}-{kind}.tar"] = good
    for again in range(8):
        result[f"broken-{number}-{again}-{kind}.tar"] = broken(good)
listings = {}
for file, data in result.items():
    with open(os.path.join(where, file), "wb") as out:
        out.write(data)
    listings[file] = listing(data)
json.dump(listings, open(os.path.join(where, "listings.json"), "w"))
"#;

/// Name, kind, size and link target of an entry.
type Listed = (String, String, u64, String);

fn ours(path: &Path) -> Result<Vec<Listed>, String> {
    let entries = unpack::list(path, &Limits::default()).map_err(|error| error.to_string())?;
    Ok(entries
        .into_iter()
        .map(|(accepted, size)| match accepted.node {
            Node::Top => (".".to_owned(), "directory".to_owned(), 0, String::new()),
            Node::Directory(_) => (accepted.path, "directory".to_owned(), 0, String::new()),
            Node::File(_) => (accepted.path, "file".to_owned(), size, String::new()),
            Node::Link(target) => (accepted.path, "link".to_owned(), 0, target),
        })
        .collect())
}

/// Python's name in our normal form.
fn normal(listed: Vec<Listed>) -> Vec<Listed> {
    let name = |name: String| {
        let name = name.strip_prefix("./").unwrap_or(&name);
        name.trim_end_matches('/').to_owned()
    };
    listed
        .into_iter()
        .map(|(path, kind, size, target)| (name(path), kind, size, target))
        .collect()
}

#[test]
fn whatever_is_accepted_pythons_tarfile_lists_in_the_same_way() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(directory.path())
        .output()
        .unwrap_or_else(|error| {
            panic!("this test compares with python3, which must be there: {error}")
        });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listings = fs::read(directory.path().join("listings.json")).unwrap();
    let listings: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&listings).unwrap();
    let (mut good, mut accepted, mut refused) = (0, 0, 0);
    for (file, theirs) in listings {
        let found = ours(&directory.path().join(&file));
        if file.starts_with("good-") {
            let found = found
                .as_ref()
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let theirs: Vec<Listed> = serde_json::from_value(theirs).unwrap();
            assert_eq!(*found, normal(theirs), "{file}");
            good += 1;
        } else if let Ok(found) = found {
            let theirs: Vec<Listed> = serde_json::from_value(theirs.clone()).unwrap_or_else(|_| {
                panic!("{file}: accepted, but tarfile says {theirs}: {found:?}")
            });
            assert_eq!(found, normal(theirs), "{file}");
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    // Both sorts must be there in number, or the comparison proves little.
    assert_eq!(good, 150);
    assert!(
        accepted > 100 && refused > 300,
        "{accepted} accepted, {refused} refused"
    );
}
