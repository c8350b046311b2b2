//! Puts what a container's variables set where people and Flink's own commands look for it: into
//! the `conf` directory, as the official image's script does, if that can be written to; else into
//! a directory of its own, which commands are led to.
//!
//! Nothing is written unless everything can be read. What people wrote in the file stays theirs:
//! see [`conf::edited`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flugs_flink::FlinkHome;
use flugs_flink_conf::{
    self as conf, ConfError, ConfSource, Configuration, Dialect, Edit, ImageRequest, Layer, Origin,
    Parsed, Taking, Warning, WarningKind, apply_environment, is_sensitive, unedited,
};
use flugs_model::Role;

use super::image::{ADDRESS, HOST_NAME, SHIPPED, is_address};
use super::{ImageTerms, LaunchError, LaunchRequest, SandboxLayout, configuration, plugins};

/// The port of the official image's JobManager for files of jobs.
const BLOB_SERVER: (&str, &str) = ("blob.server.port", "6124");

/// Where the configuration is now.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// What leads commands to what could not be put in its usual place.
    pub variables: BTreeMap<String, String>,
    /// What is worth knowing.
    pub warnings: Vec<Warning>,
}

/// Publishes the configuration of a container: what its variables set, over what its `conf`
/// directory says.
///
/// # Errors
/// If that directory cannot be read or parsed, or a plugin is not there: nothing has been written
/// then.
pub fn publish(request: &LaunchRequest, image: &ImageTerms) -> Result<Publication, LaunchError> {
    let home = FlinkHome::open(&request.flink_home)?;
    let directory = configuration::conf_directory(request, &home);
    let file = ConfFile::read(&directory, &home)?;
    let (edits, asked) = file.edits(request, image);
    let (edits, beside) = file.held(edits);
    let layout = SandboxLayout::of(&image.clients);
    let plugins = plugins::plan(&home, &layout.root, &asked.plugins)?;
    let mut publication = Publication::default();
    if !file.write(&edits)? {
        let stand_in = RequestAt::new(request, &layout);
        stand_in.prepare(&home, &directory)?;
        publication.lead("FLINK_CONF_DIR", &layout.conf);
        publication.warnings.push(Warning {
            source: directory.display().to_string(),
            line: None,
            kind: WarningKind::NotWritable {
                instead: layout.conf.clone(),
            },
        });
    }
    if let Some(plugins) = plugins
        && plugins::link_in_home(&home, &asked.plugins).is_err()
    {
        plugins.make()?;
        publication.lead("FLINK_PLUGINS_DIR", &plugins.path);
    }
    if directory.starts_with(&layout.root) {
        // Below another entry point, which led here: this is the stand-in, and stays.
    } else if publication.variables.is_empty() {
        // Of an earlier start, when the directory could not be written to: it must mislead nobody.
        let _ = fs::remove_dir_all(&layout.root);
    } else {
        mark(&layout.root, &directory)?;
    }
    publication.warnings.extend(asked.warnings);
    publication.warnings.extend(beside);
    Ok(publication)
}

impl Publication {
    fn lead(&mut self, name: &str, to: &Path) {
        self.variables
            .insert(name.to_owned(), to.display().to_string());
    }
}

/// The configuration file of a container's `conf` directory.
struct ConfFile {
    path: PathBuf,
    dialect: Dialect,
    /// Its text, or what stands in for it; `None` if it is not UTF-8, and so not to be written.
    text: Option<String>,
    /// Its settings without what an earlier start set.
    settings: Parsed,
}

impl ConfFile {
    fn read(directory: &Path, home: &FlinkHome) -> Result<Self, LaunchError> {
        let files = home.version().configuration_files();
        let (dialect, path) = match conf::configuration_file(directory, files) {
            Ok(found) => found,
            Err(error) if configuration::is_absent(&error, directory) => {
                let dialect = files.rendered();
                let path = directory.join(dialect.file_name());
                let settings = conf::parse_flat(SHIPPED, "");
                let text = Some(SHIPPED.to_owned());
                return Ok(Self {
                    path,
                    dialect,
                    text,
                    settings,
                });
            }
            Err(error) => return Err(error.into()),
        };
        let name = path.display().to_string();
        let read = fs::read_to_string(&path);
        let (text, settings) = match read {
            Ok(text) => {
                let settings = unedited(&text, dialect, &name)?;
                (Some(text), settings)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                (None, conf::load_file(&path, dialect)?)
            }
            Err(source) => return Err(ConfError::Read { path, source }.into()),
        };
        Ok(Self {
            path,
            dialect,
            text,
            settings,
        })
    }

    /// What the variables set, and what the official image sets in every container: its name as
    /// the JobManager's address, unless a variable says another. A worker keeps the address that
    /// somebody wrote in the file: its own name is no JobManager's.
    fn edits(&self, request: &LaunchRequest, image: &ImageTerms) -> (Vec<Edit>, ImageRequest) {
        let mut configuration = Configuration::new();
        configuration.extend(&self.settings, Layer::ConfDirectory, "");
        let is_found = request.role == Role::TaskManager && is_address(configuration.get(ADDRESS));
        if !is_found {
            let origin = Origin::from_source(Layer::Environment, HOST_NAME);
            configuration.set(ADDRESS, &image.host_name, origin);
        }
        let (key, value) = BLOB_SERVER;
        let origin = Origin::from_source(Layer::Environment, "the image");
        configuration.set(key, value, origin);
        let variables = |name: &str| request.variable(name).map(str::to_owned);
        let asked = apply_environment(&mut configuration, &variables);
        let edits = configuration
            .iter()
            .filter(|(_, setting)| setting.origin.layer != Layer::ConfDirectory)
            .map(|(key, setting)| Edit {
                key: key.to_owned(),
                value: setting.value.clone(),
                source: setting.origin.source.clone().unwrap_or_default(),
            });
        (edits.collect(), asked)
    }

    /// The edits that the file can hold, and what is to be said of the others: they reach what is
    /// launched beside it.
    fn held(&self, edits: Vec<Edit>) -> (Vec<Edit>, Vec<Warning>) {
        let mut warnings = Vec::new();
        let held = edits.into_iter().filter(|edit| {
            let Some(reason) = conf::misfit(self.dialect, &edit.key, &edit.value) else {
                return true;
            };
            if !conf::is_for_flugs_alone(&edit.key) {
                warnings.push(Warning {
                    source: edit.source.clone(),
                    line: None,
                    kind: WarningKind::BesideFile {
                        key: edit.key.clone(),
                        file: self.dialect.file_name(),
                        reason,
                    },
                });
            }
            false
        });
        (held.collect(), warnings)
    }

    /// Sets the keys in the file. Whether that could be done.
    fn write(&self, edits: &[Edit]) -> Result<bool, LaunchError> {
        let name = self.path.display().to_string();
        let Some(text) = &self.text else {
            return Ok(false);
        };
        let Some(edited) = conf::edited(text, self.dialect, edits, &name)? else {
            return Ok(false);
        };
        let secret = edits.iter().any(|edit| is_sensitive(&edit.key));
        Ok(replace(&self.path, edited.as_bytes(), secret).is_ok())
    }
}

/// Replaces a file's content: at once if it is this user's, else in place, so that its owner stays
/// its owner, and whichever of the two can be done otherwise (a file that is mounted by itself
/// cannot be renamed over). Nothing is written that is there already.
fn replace(path: &Path, bytes: &[u8], secret: bool) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let metadata = fs::metadata(&path).ok();
    let mode = metadata
        .as_ref()
        .map_or(0o664, |file| file.permissions().mode() & 0o777);
    let mode = if secret { mode & 0o770 } else { mode };
    let at_once = || conf::write_file(&path, bytes, mode).is_ok();
    let in_place = || {
        let mut file = File::options().write(true).truncate(true).open(&path)?;
        file.write_all(bytes)
    };
    let own = nix::unistd::geteuid().as_raw();
    if metadata.is_none_or(|file| file.uid() == own) {
        if at_once() { Ok(()) } else { in_place() }
    } else {
        in_place().or_else(|error| if at_once() { Ok(()) } else { Err(error) })
    }
}

/// A request whose files are in the directory that stands in.
struct RequestAt<'a> {
    request: LaunchRequest,
    layout: &'a SandboxLayout,
}

impl<'a> RequestAt<'a> {
    /// What only this launch is given takes no part: it is nothing that other commands share.
    fn new(request: &LaunchRequest, layout: &'a SandboxLayout) -> Self {
        let mut request = request.clone();
        request.properties.clear();
        Self { request, layout }
    }

    fn prepare(&self, home: &FlinkHome, directory: &Path) -> Result<(), LaunchError> {
        let laid = configuration::lay(&self.request, home, self.layout)?;
        let release = home.conf();
        let source = ConfSource {
            directory,
            release: Some(&release),
            taking: Taking::Links,
        };
        let dialect = home.version().configuration_files().rendered();
        conf::prepare_directory(
            Some(source),
            &self.layout.conf,
            &conf::for_file(&laid.configuration, dialect),
            dialect,
            self.request.log_layout,
            conf::Existing::Replaced,
        )?;
        Ok(())
    }
}

/// Says which directory the one at `root` stands in for, by a link: Flink's scripts in the images
/// compare where it leads (see `install::clients`).
fn mark(root: &Path, directory: &Path) -> Result<(), LaunchError> {
    let path = root.join("source");
    let failed = |source| LaunchError::Sandbox {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(root).map_err(failed)?;
    if fs::read_link(&path).is_ok_and(|there| there == directory) {
        return Ok(());
    }
    let _ = fs::remove_file(&path);
    symlink(directory, &path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_cannot_hold_is_told_and_never_written_into_it_wrong() {
        let file = ConfFile {
            path: "/conf/flink-conf.yaml".into(),
            dialect: Dialect::Flat,
            text: Some(String::new()),
            settings: conf::parse_flat("", ""),
        };
        let pairs = [
            ("rest.port", "8099"),
            ("pipeline.name", "job #1"),
            ("padded", " x "),
            ("s3.endpoint", ""),
            ("mesos.constraints.hard.hostattribute", ""),
        ];
        let edits = pairs.map(|(key, value)| Edit {
            key: key.to_owned(),
            value: value.to_owned(),
            source: "FLINK_PROPERTIES".to_owned(),
        });
        let (held, warnings) = file.held(edits.into());
        let held: Vec<&str> = held.iter().map(|edit| edit.key.as_str()).collect();
        assert_eq!(held, ["rest.port"]);
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        insta::assert_snapshot!(said[0], @r##"FLINK_PROPERTIES: flink-conf.yaml cannot hold this value of "pipeline.name" (Flink cuts the line at "#"): what is launched here gets it, Flink's own commands and scripts do not"##);
    }
}
