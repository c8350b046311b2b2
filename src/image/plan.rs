//! From a definition to the trees of its layers and its configuration. Decides everything about
//! an image; what it needs to know of the base it is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::base::Facts;
use super::definition::{Added, Definition, ImagePath, Owner};
use super::layer::{Entry, Node, Tree};
use super::oci::{BlobDigest, HealthConfig, History, ImageConfig, RunConfig};
use super::{Architecture, Epoch, ImageError};
use crate::conf::fit_container;
use crate::flink::FlinkHome;
use crate::install::{SCRIPT, with_clients};

/// The layer of the user's own files, which change most often: nothing is laid over it.
pub(super) const USER_FILES: &str = "usrlib";

/// One layer to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedLayer {
    /// What it holds, in a word: for the history and for people.
    pub(super) name: &'static str,
    pub(super) tree: Tree,
}

/// What goes into an image beside what its definition says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) flink_home: Option<&'a Path>,
    pub(super) binary: &'a Path,
    pub(super) user_files: &'a [PathBuf],
    pub(super) architecture: Architecture,
}

/// The layers over the base, the lowest first: what changes least often comes first.
pub(super) fn layers(
    definition: &Definition,
    facts: &Facts,
    parts: Parts<'_>,
) -> Result<Vec<PlannedLayer>, ImageError> {
    let mut layers = Vec::new();
    if let Some(copy) = &definition.java.copy {
        let home = java_home(definition, facts, parts.architecture)?;
        let mut tree = Tree::default();
        tree.put_source(home.trim_start_matches('/'), copy, Owner::default())?;
        layers.push(PlannedLayer { name: "java", tree });
    }
    layers.push(PlannedLayer {
        name: "accounts",
        tree: accounts(definition, facts),
    });
    if definition.flink.baked {
        let home = parts.flink_home.ok_or_else(|| ImageError::Needed {
            what: "a Flink home".to_owned(),
            hint: "name one with --flink-home, or say `flink: {baked: false}` for an image that fetches it".to_owned(),
        })?;
        layers.push(PlannedLayer {
            name: "flink",
            tree: flink(definition, home)?,
        });
    }
    layers.push(PlannedLayer {
        name: "flugs",
        tree: flugs(definition, parts.binary)?,
    });
    if !parts.user_files.is_empty() {
        layers.push(PlannedLayer {
            name: USER_FILES,
            tree: user_files(definition, parts.user_files)?,
        });
    }
    for layer in &mut layers {
        check_links(facts, layer)?;
        layer.tree.complete(|path| facts.has_directory(path));
    }
    Ok(layers)
}

/// An entry below a link of the base would take the link's place with a directory, and everything
/// behind it with it (`/bin` in a merged `/usr`).
fn check_links(facts: &Facts, layer: &PlannedLayer) -> Result<(), ImageError> {
    for (path, _) in layer.tree.entries() {
        if let Some((link, target)) = facts.link_above(path) {
            return Err(ImageError::Unfit {
                path: format!("/{path}").into(),
                reason: format!("/{link} is a link to {target} in the base: name the real path"),
            });
        }
    }
    Ok(())
}

/// Who the user is, its home, and the directories it may write to.
fn accounts(definition: &Definition, facts: &Facts) -> Tree {
    let user = &definition.user;
    let (passwd, group) = facts.accounts_with(&user.name, user.uid, user.gid, user.home.as_str());
    let mut tree = Tree::default();
    for (path, content) in [("etc/passwd", passwd), ("etc/group", group)] {
        let node = Node::Bytes(content.into_bytes());
        let owner = Owner::default();
        tree.put(
            path,
            Entry {
                mode: 0o644,
                owner,
                node,
            },
        );
    }
    let owner = group_zero(definition);
    tree.put_directory(user.home.in_layer(), 0o755, owner);
    for path in definition.volumes.iter().chain(&definition.workdir) {
        tree.put_directory(path.in_layer(), 0o775, owner);
    }
    let home = definition.flink.home.in_layer();
    tree.put_directory(home, 0o775, owner);
    for below in &definition.flink.writable {
        tree.put_directory(&format!("{home}/{below}"), 0o775, owner);
    }
    tree
}

/// Files belong to the user, and to group 0: a container that runs as another user runs in that
/// group, and what is writable for the one is for the other.
fn group_zero(definition: &Definition) -> Owner {
    Owner {
        user: definition.user.uid,
        group: 0,
    }
}

/// Flink as it is, but for three things: group 0 may do what the user may, the directories that
/// are written to are there, and the shipped configuration's addresses are opened.
fn flink(definition: &Definition, home: &Path) -> Result<Tree, ImageError> {
    let flink = &definition.flink;
    let mut tree = Tree::default();
    let at = flink.home.in_layer();
    tree.put_source(at, home, group_zero(definition))?;
    // What earlier runs of this home logged is nobody's concern.
    tree.empty(&format!("{at}/log"));
    for below in &flink.writable {
        tree.put_directory(&format!("{at}/{below}"), 0o775, group_zero(definition));
    }
    tree.change_below(at, |entry| {
        if !matches!(entry.node, Node::Link(_)) {
            entry.mode |= (entry.mode & 0o700) >> 3;
        }
    });
    fit_configuration(&mut tree, at, home)?;
    lead_clients(&mut tree, at, home)?;
    Ok(tree)
}

/// Lets Flink's own scripts find the configuration of a container whose `conf` is read-only.
fn lead_clients(tree: &mut Tree, at: &str, home: &Path) -> Result<(), ImageError> {
    let path = home.join(SCRIPT);
    if !path.is_file() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| ImageError::read(&path, error))?;
    let text = with_clients(&text);
    tree.change_below(&format!("{at}/{SCRIPT}"), |entry| {
        entry.node = Node::Bytes(text.clone().into_bytes());
    });
    Ok(())
}

/// What the official image does with `sed`: what listens on `localhost` listens everywhere.
fn fit_configuration(tree: &mut Tree, at: &str, home: &Path) -> Result<(), ImageError> {
    let unfit = |reason: String| ImageError::Unfit {
        path: home.to_owned(),
        reason,
    };
    let flink = FlinkHome::open(home).map_err(|error| unfit(error.to_string()))?;
    let dialect = flink.version().configuration_files().rendered();
    let path = home.join("conf").join(dialect.file_name());
    let text = std::fs::read_to_string(&path).map_err(|error| ImageError::read(&path, error))?;
    let fitted = fit_container(&text, dialect, &path.display().to_string())
        .map_err(|error| unfit(error.to_string()))?;
    tree.change_below(&format!("{at}/conf/{}", dialect.file_name()), |entry| {
        entry.node = Node::Bytes(fitted.clone().into_bytes());
    });
    Ok(())
}

fn flugs(definition: &Definition, binary: &Path) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    tree.put(
        definition.binary.in_layer(),
        Entry {
            mode: 0o755,
            owner: Owner::default(),
            node: Node::File(binary.to_owned()),
        },
    );
    for file in &definition.files {
        let path = file.path.in_layer();
        let put = |tree: &mut Tree, default: u32, node: Node| {
            let mode = file.mode.map_or(default, super::definition::Mode::bits);
            let owner = file.owner;
            tree.put(path, Entry { mode, owner, node });
        };
        match &file.what {
            Added::Content(text) => put(&mut tree, 0o644, Node::Bytes(text.clone().into_bytes())),
            Added::Link(target) => put(&mut tree, 0o777, Node::Link(target.clone())),
            Added::Directory => put(&mut tree, 0o755, Node::Directory),
            Added::Source(source) => {
                tree.put_source(path, source, file.owner)?;
                if let Some(mode) = file.mode {
                    let is_file = |entry: &mut Entry| {
                        if matches!(entry.node, Node::File(_)) {
                            entry.mode = mode.bits();
                        }
                    };
                    tree.change_below(path, is_file);
                }
            }
        }
    }
    Ok(tree)
}

fn user_files(definition: &Definition, files: &[PathBuf]) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    let below = format!("{}/usrlib", definition.flink.home.in_layer());
    tree.put_directory(&below, 0o775, group_zero(definition));
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| ImageError::Unfit {
            path: file.clone(),
            reason: "it has no name that could be used in the image".to_owned(),
        })?;
        tree.put_source(&format!("{below}/{name}"), file, group_zero(definition))?;
    }
    Ok(tree)
}

/// Where Java is in the image: where the definition says, else where the base has it.
pub(super) fn java_home(
    definition: &Definition,
    facts: &Facts,
    architecture: Architecture,
) -> Result<String, ImageError> {
    if let Some(home) = &definition.java.home {
        let home = with_architecture(home.as_str(), architecture);
        let below = home.trim_start_matches('/');
        if definition.java.copy.is_some() || facts.java_homes.contains(below) {
            return Ok(home);
        }
        return Err(ImageError::Needed {
            what: format!("a Java runtime in {home}"),
            hint: format!("the base has {}", listed(facts)),
        });
    }
    let mut homes = facts.java_homes.iter();
    match (homes.next(), homes.next()) {
        (Some(home), None) => Ok(format!("/{home}")),
        _ => Err(ImageError::Needed {
            what: "the place of the Java runtime".to_owned(),
            hint: format!(
                "write `java: {{home: DIR}}`; the base has {}",
                listed(facts)
            ),
        }),
    }
}

fn listed(facts: &Facts) -> String {
    let homes: Vec<_> = facts
        .java_homes
        .iter()
        .map(|home| format!("/{home}"))
        .collect();
    if homes.is_empty() {
        "no bin/java anywhere".to_owned()
    } else {
        homes.join(", ")
    }
}

fn with_architecture(text: &str, architecture: Architecture) -> String {
    text.replace("${architecture}", architecture.name())
}

/// The image's configuration: the base's, and the definition over it.
pub(super) fn config(
    definition: &Definition,
    base: &ImageConfig,
    java_home: &str,
    architecture: Architecture,
    epoch: Epoch,
) -> ImageConfig {
    let mut environment = base.config.env.clone();
    let java = ("JAVA_HOME".to_owned(), java_home.to_owned());
    let own = definition.environment.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            with_architecture(value, architecture),
        )
    });
    for (name, value) in [java].into_iter().chain(own) {
        let prefix = format!("{name}=");
        environment.retain(|line| !line.starts_with(&prefix));
        environment.push(format!("{prefix}{value}"));
    }
    let ports = definition.ports.iter().map(ToString::to_string);
    let exposed_ports = set(&base.config.exposed_ports, ports);
    let volumes = set(
        &base.config.volumes,
        definition.volumes.iter().map(ToString::to_string),
    );
    let mut labels = base.config.labels.clone();
    labels.extend(definition.labels.clone());
    ImageConfig {
        created: Some(epoch.rfc3339()),
        architecture: architecture.name().to_owned(),
        os: "linux".to_owned(),
        config: RunConfig {
            user: Some(format!("{}:{}", definition.user.uid, definition.user.gid)),
            exposed_ports,
            env: environment,
            entrypoint: definition.entrypoint.clone(),
            cmd: definition.command.clone(),
            healthcheck: definition.healthcheck.as_ref().map(|check| HealthConfig {
                test: ["CMD".to_owned()]
                    .into_iter()
                    .chain(check.command.clone())
                    .collect(),
                interval: check.interval.map(super::definition::Span::nanoseconds),
                timeout: check.timeout.map(super::definition::Span::nanoseconds),
                start_period: check.start_period.map(super::definition::Span::nanoseconds),
                retries: check.retries,
            }),
            volumes,
            working_dir: definition.workdir.as_ref().map(ImagePath::to_string),
            labels,
            stop_signal: definition.stop_signal.clone().map(String::from),
        },
        rootfs: base.rootfs.clone(),
        history: base.history.clone(),
    }
}

fn set(below: &BTreeSet<String>, own: impl Iterator<Item = String>) -> BTreeSet<String> {
    below.iter().cloned().chain(own).collect()
}

/// Adds the layers to a configuration: their diffIDs and where they come from.
pub(super) fn add_layers<'a>(
    config: &mut ImageConfig,
    base: &[BlobDigest],
    own: impl Iterator<Item = (&'a str, BlobDigest)>,
    epoch: Epoch,
) {
    "layers".clone_into(&mut config.rootfs.kind);
    config.rootfs.diff_ids = base.to_vec();
    // A base that says nothing of its layers would shift the names of those above.
    let told = config.history.iter().filter(|one| !one.empty_layer).count();
    if told != base.len() {
        config.history = base.iter().map(|_| history("base", epoch)).collect();
    }
    for (name, diff_id) in own {
        config.rootfs.diff_ids.push(diff_id);
        config.history.push(history(name, epoch));
    }
}

fn history(name: &str, epoch: Epoch) -> History {
    History {
        created: Some(epoch.rfc3339()),
        created_by: Some(history_of(name)),
        empty_layer: false,
    }
}

/// What an image's history says of a layer of this name.
pub(super) fn history_of(name: &str) -> String {
    format!("flugs image build: {name}")
}
