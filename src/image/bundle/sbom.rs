//! The bill of materials: an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3) in JSON, readable
//! before anything crosses the gap. The images with the Debian packages and jars in them, and
//! with flugs and the crates that it is made of, the Flink distributions with their jars, user jars, configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::crates::{Crate, Program};
use super::manifest::FileKind;
use super::materials::Materials;
use flugs_base::Sha256Digest;

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
    download_location: Cow<'static, str>,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: Cow<'static, str>,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
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
        for (digest, program) in &one.materials.programs {
            self.add_program(&id, *digest, program);
        }
    }

    /// A flugs binary, and what it is made of.
    fn add_program(&mut self, in_id: &str, digest: Sha256Digest, program: &Program) {
        let mut flugs = package("flugs", "program", digest, "APPLICATION");
        flugs.version_info = Some(program.version.clone());
        flugs.license_declared = env!("CARGO_PKG_LICENSE").into();
        flugs.comment = (!program.linked).then_some(
            "Its build could not tell which crates are linked: those listed are all of its Cargo.lock.",
        );
        let id = flugs.id.clone();
        self.contain(in_id, flugs);
        for one in &program.crates {
            let linked = of_crate(one);
            self.relate(&id, "STATIC_LINK", &linked.id);
            self.packages.entry(linked.id.clone()).or_insert(linked);
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
        download_location: NONE_SAID.into(),
        files_analyzed: false,
        license_concluded: NONE_SAID,
        license_declared: NONE_SAID.into(),
        copyright_text: NONE_SAID,
        comment: None,
        checksums: vec![Checksum {
            algorithm: "SHA256",
            checksum_value: digest,
        }],
        external_refs: Vec::new(),
        primary_package_purpose: purpose,
    }
}

/// A crate. What has a checksum in Cargo.lock is of crates.io, or of a mirror of it.
fn of_crate(one: &Crate) -> Package {
    let Crate { name, version, .. } = one;
    let key = Sha256Digest::of(format!("{name} {version}").as_bytes());
    let mut package = package(name, "crate", one.sha256.unwrap_or(key), "LIBRARY");
    package.version_info = Some(version.clone());
    package.external_refs = vec![purl(format!("pkg:cargo/{name}@{}", encoded(version)))];
    match one.sha256 {
        None => package.checksums.clear(),
        Some(_) => {
            package.download_location =
                format!("https://crates.io/api/v1/crates/{name}/{version}/download").into();
        }
    }
    if let Some(license) = &one.license {
        package.license_declared = license.clone().into();
    }
    package
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
            programs: [(
                Sha256Digest::of(b"flugs"),
                Program {
                    version: "0.1.0".into(),
                    linked: false,
                    crates: vec![Crate {
                        name: "bytes".into(),
                        version: "1.12.0".into(),
                        sha256: Some(Sha256Digest::of(b"crate")),
                        license: Some("MIT".into()),
                    }],
                },
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
