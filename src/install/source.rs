//! Where the Flink to install comes from: a home, a release tarball, or a URL with a digest.

use std::fs;
use std::path::{Path, PathBuf};

use url::Url;

use flugs_artifact::unpack::{self, Limits};
use flugs_artifact::{FetchOptions, Fetcher};
use flugs_base::Sha256Digest;
use flugs_model::{Artifact, ArtifactKind};

use super::InstallError;

/// A tarball somewhere else.
#[derive(Debug, Clone)]
pub struct FetchedFlink {
    /// Where it is.
    pub url: Url,
    /// What it must be.
    pub sha256: Sha256Digest,
}

/// What can be installed.
#[derive(Debug, Clone)]
pub struct FlinkSource {
    /// A directory: a home, or one that holds one release tarball.
    pub directory: PathBuf,
    /// What is fetched if the directory holds neither.
    pub fetched: Option<FetchedFlink>,
}

impl FetchedFlink {
    /// From the two build arguments. An empty one counts as absent: that is how a Dockerfile
    /// leaves an argument out.
    pub fn of(url: Option<&str>, sha256: Option<&str>) -> Result<Option<Self>, InstallError> {
        let given =
            |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        let Some(url) = given(url) else {
            return Ok(None);
        };
        let sha256 = given(sha256).ok_or(InstallError::NoDigest)?.parse()?;
        let url = url
            .parse()
            .map_err(|error: url::ParseError| InstallError::Url {
                reason: error.to_string(),
            })?;
        Ok(Some(Self { url, sha256 }))
    }
}

/// Gives a Flink home: the one that is there, or the one in the archive, unpacked below
/// `scratch`.
pub async fn obtain(source: &FlinkSource, scratch: &Path) -> Result<PathBuf, InstallError> {
    let directory = &source.directory;
    if directory.join("lib").is_dir() {
        return Ok(directory.clone());
    }
    let unpacked = scratch.join("unpacked");
    match (archive(directory)?, &source.fetched) {
        (Some(archive), _) => {
            unpack::unpack(&archive, &unpacked, &Limits::default())?;
        }
        (None, Some(fetched)) => fetch(fetched, scratch).await?,
        (None, None) => {
            return Err(InstallError::NoFlink {
                path: directory.clone(),
            });
        }
    }
    home_in(&unpacked)
}

/// The one archive of a directory.
fn archive(directory: &Path) -> Result<Option<PathBuf>, InstallError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".tgz", ".tar.gz", ".tar", ".tar.zst"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(name);
        }
    }
    found.sort();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(directory.join(one))),
        _ => Err(InstallError::SeveralArchives {
            path: directory.to_owned(),
            found,
        }),
    }
}

async fn fetch(wanted: &FetchedFlink, scratch: &Path) -> Result<(), InstallError> {
    let fetcher = Fetcher::new(FetchOptions::default())?;
    let mut artifact = Artifact {
        name: "flink".to_owned(),
        urls: vec![wanted.url.to_string()],
        sha256: wanted.sha256,
        size: 0,
        dest: "unpacked".parse()?,
        kind: ArtifactKind::Archive,
        mode: 0o644,
        cache: false,
    };
    artifact.size = fetcher.size_of(&artifact, &wanted.url).await?;
    fetcher
        .fetch_all(&[artifact], &wanted.url, scratch, &|_| {})
        .await?;
    Ok(())
}

/// The home in an unpacked release: the directory itself, or the one directory in it.
fn home_in(unpacked: &Path) -> Result<PathBuf, InstallError> {
    if unpacked.join("lib").is_dir() {
        return Ok(unpacked.to_owned());
    }
    let entries = fs::read_dir(unpacked).map_err(|source| InstallError::Read {
        path: unpacked.to_owned(),
        source,
    })?;
    let homes = entries.flatten().map(|entry| entry.path());
    homes
        .into_iter()
        .find(|path| path.join("lib").is_dir())
        .ok_or_else(|| InstallError::NoFlink {
            path: unpacked.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::super::tests::flink_home;
    use super::*;

    fn run(source: &FlinkSource, scratch: &Path) -> Result<PathBuf, InstallError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(obtain(source, scratch))
    }

    /// A release tarball, with the home in a directory of its own.
    fn tarball(directory: &Path) -> PathBuf {
        let home = flink_home(directory);
        let path = directory.join("context/flink-2.3.0.tgz");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let file = fs::File::create(&path).unwrap();
        let encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        builder.append_dir_all("flink-2.3.0", home).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn a_home_a_tarball_and_a_fetched_tarball_all_give_a_home() {
        let directory = tempfile::tempdir().unwrap();
        let path = tarball(directory.path());
        let in_place = FlinkSource {
            directory: directory.path().join("flink"),
            fetched: None,
        };
        let scratch = directory.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        assert_eq!(run(&in_place, &scratch).unwrap(), in_place.directory);
        let archived = FlinkSource {
            directory: path.parent().unwrap().to_owned(),
            fetched: None,
        };
        let home = run(&archived, &scratch).unwrap();
        assert!(home.join("lib/flink-dist-2.3.0.jar").is_file());

        let url = Url::from_file_path(&path).unwrap();
        let digest = Sha256Digest::of(&fs::read(&path).unwrap()).to_string();
        let empty = directory.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let fetched = FlinkSource {
            directory: empty,
            fetched: FetchedFlink::of(Some(url.as_str()), Some(&digest)).unwrap(),
        };
        let scratch = directory.path().join("other");
        fs::create_dir(&scratch).unwrap();
        let home = run(&fetched, &scratch).unwrap();
        assert!(home.join("lib/flink-dist-2.3.0.jar").is_file());
    }

    #[test]
    fn what_is_fetched_needs_a_digest_and_nothing_at_all_is_named() {
        let url = Some("https://a.example/flink.tgz");
        assert!(FetchedFlink::of(None, None).unwrap().is_none());
        assert!(FetchedFlink::of(Some(""), Some("")).unwrap().is_none());
        for sha256 in [None, Some(""), Some("abc")] {
            assert!(FetchedFlink::of(url, sha256).is_err());
        }
        let directory = tempfile::tempdir().unwrap();
        let source = FlinkSource {
            directory: directory.path().to_owned(),
            fetched: None,
        };
        let error = run(&source, directory.path()).unwrap_err();
        assert!(error.to_string().contains("FLINK_SHA256"), "{error}");
        for name in ["a.tgz", "b.tar.gz"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let error = run(&source, directory.path()).unwrap_err();
        assert!(error.to_string().contains("a.tgz, b.tar.gz"), "{error}");
    }
}
