//! The bill of materials: an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3) in JSON, readable
//! before anything crosses the gap. The images with the Debian packages and jars in them, the
//! Flink distributions with their jars, user jars, configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::Serialize;

use super::manifest::FileKind;
use crate::image::layer::Hashed;
use crate::spec::Sha256Digest;

/// A package database longer than this is none.
const LONGEST_DATABASE: u64 = 64 << 20;

/// What a tree of files is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Materials {
    /// Debian packages: name, version, architecture.
    debian: BTreeSet<(String, String, String)>,
    /// Jars by path.
    jars: BTreeMap<String, Sha256Digest>,
}

impl Materials {
    /// Looks through a tar: of an image's layer, or of a Flink distribution. A later one wins.
    pub(super) fn add_tar(&mut self, tar: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries()? {
            let entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.trim_start_matches("./").to_owned();
            if path == "var/lib/dpkg/status" {
                let mut text = String::new();
                entry.take(LONGEST_DATABASE).read_to_string(&mut text)?;
                self.debian = installed(&text);
            } else if std::path::Path::new(&path)
                .extension()
                .is_some_and(|end| end == "jar")
            {
                let mut content = Hashed::new(entry);
                io::copy(&mut content, &mut io::sink())?;
                self.jars.insert(path, content.finish().1.0);
            }
        }
        Ok(())
    }
}

/// The installed packages of dpkg's database (deb822(5)).
fn installed(status: &str) -> BTreeSet<(String, String, String)> {
    let package = |paragraph: &str| {
        let field = |name: &str| {
            let line = paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let is_installed = field("Status")?.ends_with(" installed");
        is_installed.then_some((field("Package")?, field("Version")?, field("Architecture")?))
    };
    status.split("\n\n").filter_map(package).collect()
}

/// One thing that is bundled, as the bill sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bundled {
    pub(super) what: What,
    pub(super) name: String,
    pub(super) sha256: Sha256Digest,
    pub(super) materials: Materials,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Image,
    File(FileKind),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    #[serde(rename = "documentNamespace")]
    namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    name: String,
    #[serde(rename = "SPDXID")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalReference>,
    primary_package_purpose: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: Sha256Digest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalReference {
    #[serde(rename = "referenceCategory")]
    category: &'static str,
    #[serde(rename = "referenceType")]
    kind: &'static str,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    #[serde(rename = "relationshipType")]
    kind: &'static str,
    related_spdx_element: String,
}

const NONE_SAID: &str = "NOASSERTION";

/// Writes the bill.
pub(super) fn document(name: &str, created: &str, bundled: &[Bundled]) -> Vec<u8> {
    let mut bill = Bill::default();
    for one in bundled {
        bill.add(one);
    }
    // The namespace must be another one for another document: it follows from the content.
    let content = bundled.iter().fold(String::new(), |all, one| {
        format!("{all}{} {}\n", one.sha256, one.name)
    });
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: name.to_owned(),
        namespace: format!(
            "https://spdx.org/spdxdocs/flugs-bundle-{}",
            Sha256Digest::of(content.as_bytes())
        ),
        creation_info: CreationInfo {
            created: created.to_owned(),
            creators: [format!("Tool: flugs-{}", env!("CARGO_PKG_VERSION"))],
        },
        packages: bill.packages.into_values().collect(),
        relationships: bill.relationships,
    };
    // Strings and numbers have no way to fail to be written.
    serde_json::to_vec_pretty(&document).unwrap_or_default()
}

#[derive(Default)]
struct Bill {
    packages: BTreeMap<String, Package>,
    relationships: Vec<Relationship>,
}

impl Bill {
    fn add(&mut self, one: &Bundled) {
        let (purpose, kind) = match one.what {
            What::Image => ("CONTAINER", "image"),
            What::File(FileKind::Flink) => ("ARCHIVE", "flink"),
            What::File(FileKind::Jar) => ("LIBRARY", "jar"),
            What::File(FileKind::Configuration) => ("FILE", "configuration"),
        };
        let mut package = package(&one.name, kind, one.sha256, purpose);
        if matches!(one.what, What::Image) {
            let short = one.name.rsplit('/').next().unwrap_or_default();
            let (short, tag) = short.split_once(':').unwrap_or((short, "latest"));
            package.version_info = Some(tag.to_owned());
            package.external_refs = vec![purl(format!(
                "pkg:oci/{short}@sha256%3A{}?tag={tag}",
                one.sha256
            ))];
        }
        let id = package.id.clone();
        self.relate("SPDXRef-DOCUMENT", "DESCRIBES", &id);
        self.packages.insert(id.clone(), package);
        for (name, version, architecture) in &one.materials.debian {
            let key = Sha256Digest::of(format!("{name} {version} {architecture}").as_bytes());
            let mut package = self::package(name, "deb", key, "LIBRARY");
            package.checksums.clear();
            package.version_info = Some(version.clone());
            package.external_refs = vec![purl(format!(
                "pkg:deb/debian/{name}@{}?arch={architecture}",
                encoded(version)
            ))];
            self.contain(&id, package);
        }
        for (path, digest) in &one.materials.jars {
            let file = path.rsplit('/').next().unwrap_or(path);
            let (name, version) = named(file);
            let mut package = self::package(name, "jar", *digest, "LIBRARY");
            package.version_info = version.map(str::to_owned);
            self.contain(&id, package);
        }
    }

    fn contain(&mut self, in_id: &str, package: Package) {
        self.relate(in_id, "CONTAINS", &package.id);
        self.packages.entry(package.id.clone()).or_insert(package);
    }

    fn relate(&mut self, from: &str, how: &'static str, to: &str) {
        self.relationships.push(Relationship {
            spdx_element_id: from.to_owned(),
            kind: how,
            related_spdx_element: to.to_owned(),
        });
    }
}

fn package(name: &str, kind: &str, digest: Sha256Digest, purpose: &'static str) -> Package {
    let digits = digest.to_string();
    // Letters, digits, . and - only (SPDX 2.3, 3.2.4).
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    Package {
        name: name.to_owned(),
        id: format!(
            "SPDXRef-{kind}-{plain}-{}",
            digits.get(..12).unwrap_or(&digits)
        ),
        version_info: None,
        download_location: NONE_SAID,
        files_analyzed: false,
        license_concluded: NONE_SAID,
        license_declared: NONE_SAID,
        copyright_text: NONE_SAID,
        checksums: vec![Checksum {
            algorithm: "SHA256",
            checksum_value: digest,
        }],
        external_refs: Vec::new(),
        primary_package_purpose: purpose,
    }
}

fn purl(locator: String) -> ExternalReference {
    ExternalReference {
        category: "PACKAGE-MANAGER",
        kind: "purl",
        locator,
    }
}

/// Percent-encoded as package URLs want versions.
fn encoded(version: &str) -> String {
    version
        .replace('%', "%25")
        .replace('+', "%2B")
        .replace(':', "%3A")
}

/// `flink-dist-2.3.0.jar` is version 2.3.0 of flink-dist: the version begins at the first `-` that
/// a digit follows.
fn named(file: &str) -> (&str, Option<&str>) {
    let stem = file.strip_suffix(".jar").unwrap_or(file);
    let at = stem.match_indices('-').map(|(at, _)| at).find(|at| {
        stem.get(at + 1..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    match at.and_then(|at| Some((stem.get(..at)?, stem.get(at + 1..)?))) {
        Some((name, version)) => (name, Some(version)),
        None => (stem, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jars_name_and_version_are_told_apart() {
        assert_eq!(named("flink-dist-2.3.0.jar"), ("flink-dist", Some("2.3.0")));
        assert_eq!(
            named("log4j-1.2-api-2.24.3.jar"),
            ("log4j", Some("1.2-api-2.24.3"))
        );
        assert_eq!(named("job.jar"), ("job", None));
    }

    #[test]
    fn only_installed_debian_packages_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1:2+b\nArchitecture: amd64\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";
        let found: Vec<_> = installed(status).into_iter().collect();
        assert_eq!(
            found,
            [("a".to_owned(), "1:2+b".to_owned(), "amd64".to_owned())]
        );
    }

    #[test]
    fn the_bill_is_spdx() {
        let materials = Materials {
            debian: [(
                "libc6".to_owned(),
                "2.36-9+deb12u14".to_owned(),
                "amd64".to_owned(),
            )]
            .into(),
            jars: [(
                "opt/flink/lib/flink-dist-2.3.0.jar".to_owned(),
                Sha256Digest::of(b"jar"),
            )]
            .into(),
        };
        let image = Bundled {
            what: What::Image,
            name: "flugs/worker:1".into(),
            sha256: Sha256Digest::of(b"i"),
            materials,
        };
        let job = Bundled {
            what: What::File(FileKind::Jar),
            name: "jars/job.jar".into(),
            sha256: Sha256Digest::of(b"j"),
            materials: Materials::default(),
        };
        let bill = document("b", "2023-11-14T22:13:20Z", &[image, job]);
        insta::assert_snapshot!("bill", String::from_utf8(bill).unwrap());
    }
}
