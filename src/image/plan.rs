//! From a definition to the trees of its layers and its configuration. Decides everything about
//! an image; what it needs to know of the base it is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::base::Facts;
use super::definition::{Added, AddedFile, Definition, ImagePath, Owner};
use super::ground::{Ground, group_zero};
use super::layer::{Entry, Node, Tree};
use super::oci::{BlobDigest, HealthConfig, History, ImageConfig, RunConfig};
use super::{Architecture, Epoch, ImageError};
use crate::install::{SCRIPT, with_clients};
use flugs_flink::FlinkHome;
use flugs_flink_conf::fit_container;

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

/// The layers over a base, and what they have for directories.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The lowest first: what changes least often comes first.
    pub(super) layers: Vec<PlannedLayer>,
    pub(super) ground: Ground,
}

impl Plan {
    /// Adds a layer, whole: with the directories above what is in it.
    fn add(&mut self, facts: &Facts, name: &'static str, tree: Tree) -> Result<(), ImageError> {
        let mut layer = PlannedLayer { name, tree };
        check_links(facts, &layer)?;
        self.ground.lay(&mut layer.tree);
        self.layers.push(layer);
        Ok(())
    }
}

/// Plans the layers over the base.
pub(super) fn layers(
    definition: &Definition,
    facts: &Facts,
    parts: Parts<'_>,
) -> Result<Plan, ImageError> {
    let mut plan = Plan {
        layers: Vec::new(),
        ground: Ground::new(facts, definition),
    };
    if let Some(copy) = &definition.java.copy {
        let home = java_home(definition, facts, parts.architecture)?;
        let home = home.trim_start_matches('/');
        let mut tree = Tree::default();
        tree.put_source(home, copy, Owner::default())?;
        keep_directories(&mut tree, home, &plan.ground);
        plan.add(facts, "java", tree)?;
    }
    let tree = accounts(definition, facts);
    plan.add(facts, "accounts", tree)?;
    if definition.flink.baked {
        let home = parts.flink_home.ok_or_else(|| ImageError::Needed {
            what: "a Flink home".to_owned(),
            hint: "name one with --flink-home, or say `flink: {baked: false}` for an image that fetches it".to_owned(),
        })?;
        let tree = flink(definition, home)?;
        plan.add(facts, "flink", tree)?;
    }
    let tree = flugs(definition, parts.binary, &plan.ground)?;
    plan.add(facts, "flugs", tree)?;
    if !parts.user_files.is_empty() {
        let tree = user_files(definition, parts.user_files)?;
        plan.add(facts, USER_FILES, tree)?;
    }
    Ok(plan)
}

/// Gives directories that were copied from this machine what they have in the layers below.
fn keep_directories(tree: &mut Tree, path: &str, ground: &Ground) {
    tree.change_below(path, |at, entry| {
        if matches!(entry.node, Node::Directory) {
            entry.permissions = ground.permissions(at);
        }
    });
}

/// An entry below a link of the base would take the link's place with a directory, and everything
/// behind it with it (`/bin` in a merged `/usr`).
fn check_links(facts: &Facts, layer: &PlannedLayer) -> Result<(), ImageError> {
    for (path, entry) in layer.tree.entries() {
        let covered = match entry.node {
            Node::Directory => facts.link_at(path),
            _ => None,
        };
        if let Some((link, target)) = facts.link_above(path).or(covered) {
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
        tree.put(path, Entry::new(0o644, Owner::default(), node));
    }
    let owner = group_zero(definition);
    let named = definition.volumes.iter().chain(&definition.workdir);
    let modes = named.map(|path| (path, 0o775));
    for (path, mode) in [(&user.home, 0o755)].into_iter().chain(modes) {
        // `/tmp` stays everybody's.
        if !path.in_layer().is_empty() && !facts.has_directory(path.in_layer()) {
            tree.put_directory(path.in_layer(), mode, owner);
        }
    }
    let home = definition.flink.home.in_layer();
    tree.put_directory(home, 0o775, owner);
    for below in &definition.flink.writable {
        tree.put_directory(&format!("{home}/{below}"), 0o775, owner);
    }
    tree
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
    open_to_group(&mut tree, at);
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
    tree.change_below(&format!("{at}/{SCRIPT}"), |_, entry| {
        entry.node = Node::Bytes(text.clone().into_bytes());
    });
    Ok(())
}

/// Lets the group do what the user may.
fn open_to_group(tree: &mut Tree, at: &str) {
    tree.change_below(at, |_, entry| {
        if !matches!(entry.node, Node::Link(_)) {
            let mode = &mut entry.permissions.mode;
            *mode |= (*mode & 0o700) >> 3;
        }
    });
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
    tree.change_below(&format!("{at}/conf/{}", dialect.file_name()), |_, entry| {
        entry.node = Node::Bytes(fitted.clone().into_bytes());
    });
    Ok(())
}

fn flugs(definition: &Definition, binary: &Path, ground: &Ground) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    let node = Node::File(binary.to_owned());
    let entry = Entry::new(0o755, Owner::default(), node);
    tree.put(definition.binary.in_layer(), entry);
    for file in &definition.files {
        add_file(&mut tree, file, ground)?;
    }
    Ok(tree)
}

fn add_file(tree: &mut Tree, file: &AddedFile, ground: &Ground) -> Result<(), ImageError> {
    let path = file.path.in_layer();
    let owner = file.owner.unwrap_or_default();
    let mode = file.mode.map(super::definition::Mode::bits);
    match &file.what {
        Added::Content(text) => {
            let node = Node::Bytes(text.clone().into_bytes());
            tree.put(path, Entry::new(mode.unwrap_or(0o644), owner, node));
        }
        Added::Link(target) => {
            let node = Node::Link(target.clone());
            tree.put(path, Entry::new(mode.unwrap_or(0o777), owner, node));
        }
        Added::Directory => {
            let there = ground.permissions(path);
            let owner = file.owner.unwrap_or(there.owner);
            tree.put_directory(path, mode.unwrap_or(there.mode), owner);
        }
        Added::Source(source) => {
            tree.put_source(path, source, owner)?;
            match file.owner {
                None => keep_directories(tree, path, ground),
                Some(_) => keep_modes(tree, path, ground),
            }
            tree.change_below(path, |_, entry| {
                if let (Node::File(_), Some(mode)) = (&entry.node, mode) {
                    entry.permissions.mode = mode;
                }
            });
        }
    }
    Ok(())
}

/// As [`keep_directories`], for whoever named an owner.
fn keep_modes(tree: &mut Tree, path: &str, ground: &Ground) {
    tree.change_below(path, |at, entry| {
        if matches!(entry.node, Node::Directory) {
            entry.permissions.mode = ground.permissions(at).mode;
        }
    });
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
    open_to_group(&mut tree, &below);
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
