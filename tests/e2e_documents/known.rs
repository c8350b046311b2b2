//! Which scene runs a block, or what a block shows that is not to be run.

use super::pages::{Block, blocks};

/// A test that runs the commands of its blocks in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// `scenes/embedded.rs`
    Embedded,
    /// `scenes/images.rs`
    Images,
    /// `scenes/containers.rs`
    Containers,
    /// `scenes/containers.rs`, a cluster by `flugs up`
    ContainersUp,
    /// `scenes/launch.rs`
    Launch,
    /// `scenes/mesos.rs`
    Mesos,
    /// `scenes/tools.rs`
    Tools,
    /// `scenes/nightly.rs`: what takes minutes
    Nightly,
    /// `shown.rs`: the checks of what is shown and not run
    Shown(Shown),
}

/// What is not run, and how it is checked instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Settings of a Flink configuration.
    Settings,
    /// A part of Prometheus' configuration.
    Prometheus,
    /// A credential file for Mesos.
    Credential,
    /// The options that a command takes.
    Usage,
    /// Lines of the application master's log.
    Log,
    /// A drawing.
    Drawing,
    /// The drawing of the crates; that it is right, a test of xtask holds.
    Crates,
    /// What the program says, as it stands in the snapshot of a test.
    Snapshot,
    /// A command for those who change the code.
    Developing,
}

/// Every block: its page, how it begins, and where it is used.
const BLOCKS: &[(&str, &str, Scene)] = &[
    (
        "ARCHITECTURE.md",
        " cluster's process",
        Scene::Shown(Shown::Drawing),
    ),
    ("ARCHITECTURE.md", "graph BT", Scene::Shown(Shown::Crates)),
    (
        "CONTRIBUTING.md",
        "./test.sh",
        Scene::Shown(Shown::Developing),
    ),
    (
        "CONTRIBUTING.md",
        "cargo nextest",
        Scene::Shown(Shown::Developing),
    ),
    ("README.md", "./quickstart.sh", Scene::Nightly),
    ("README.md", "./test.sh", Scene::Shown(Shown::Developing)),
    ("README.md", "$ flugs up", Scene::Embedded),
    ("README.md", "docker build", Scene::Containers),
    ("README.md", "flugs up --on docker", Scene::ContainersUp),
    (
        "README.md",
        "FLINK_HOME=/opt/flink flugs appmaster",
        Scene::Mesos,
    ),
    (
        "README.md",
        "FLINK_HOME=/opt/flink flugs launch",
        Scene::Launch,
    ),
    (
        "README.md",
        "flugs launch taskmanager --manifest",
        Scene::Launch,
    ),
    ("README.md", "flugs image base", Scene::Images),
    ("README.md", "flugs bundle create", Scene::Images),
    ("docs/bundles.md", "flugs bundle key", Scene::Images),
    ("docs/bundles.md", "flugs bundle diff", Scene::Images),
    ("docs/docker.md", "mkdir context", Scene::Containers),
    (
        "docs/docker.md",
        "flugs image build --engine",
        Scene::Nightly,
    ),
    ("docs/docker.md", "docker network create", Scene::Containers),
    ("docs/docker.md", "# flugs:", Scene::Shown(Shown::Snapshot)),
    (
        "docs/docker.md",
        "flugs: taskmanager is not ready",
        Scene::Launch,
    ),
    (
        "docs/docker.md",
        "flugs up --on docker",
        Scene::ContainersUp,
    ),
    (
        "docs/docker.md",
        "flugs artifact train --flink-home /opt/flink\n",
        Scene::Nightly,
    ),
    ("docs/docker.md", "$ flugs launch", Scene::Nightly),
    (
        "docs/docker.md",
        "flugs artifact train --flink-home /opt/flink --travelling",
        Scene::Nightly,
    ),
    ("docs/images.md", "flugs image base", Scene::Images),
    (
        "docs/images.md",
        "flugs image build images/worker.yaml --train",
        Scene::Nightly,
    ),
    ("docs/images.md", "flugs image inspect", Scene::Images),
    ("docs/memory.md", "$ flugs memory", Scene::Tools),
    (
        "docs/mesos.md",
        "FLINK_HOME=/opt/flink flugs appmaster",
        Scene::Mesos,
    ),
    (
        "docs/mesos.md",
        "flugs.mesos.profile.big.workers",
        Scene::Shown(Shown::Settings),
    ),
    (
        "docs/mesos.md",
        "2 of 2 workers",
        Scene::Shown(Shown::Snapshot),
    ),
    (
        "docs/mesos.md",
        "flugs.mesos.artifactserver",
        Scene::Shown(Shown::Settings),
    ),
    ("docs/mesos.md", "docker run --network host", Scene::Mesos),
    (
        "docs/mesos.md",
        "{\"principal\"",
        Scene::Shown(Shown::Credential),
    ),
    (
        "docs/mesos.md",
        "scrape_configs:",
        Scene::Shown(Shown::Prometheus),
    ),
    ("docs/mesos.md", "2026-11-30T", Scene::Shown(Shown::Log)),
    (
        "docs/mesos.md",
        "1 of 4 workers",
        Scene::Shown(Shown::Snapshot),
    ),
    (
        "docs/mesos.md",
        "  Of agent1 this",
        Scene::Shown(Shown::Snapshot),
    ),
    ("docs/overlays.md", "{", Scene::Embedded),
    (
        "docs/supervision.md",
        "flugs supervise [",
        Scene::Shown(Shown::Usage),
    ),
];

fn row_of(block: &Block) -> Option<usize> {
    BLOCKS
        .iter()
        .position(|(page, start, _)| *page == block.page && block.text.starts_with(start))
}

/// The blocks of a scene, in the order of the table.
pub(crate) fn of(scene: Scene) -> Vec<Block> {
    let mut found: Vec<(usize, Block)> = blocks()
        .into_iter()
        .filter_map(|block| Some((row_of(&block)?, block)))
        .filter(|(row, _)| BLOCKS[*row].2 == scene)
        .collect();
    found.sort_by_key(|(row, _)| *row);
    found.into_iter().map(|(_, block)| block).collect()
}

/// A scene's block of a page that begins so.
#[track_caller]
pub(crate) fn one(scene: Scene, page: &str, start: &str) -> Block {
    let found = of(scene)
        .into_iter()
        .find(|block| block.page == page && block.text.starts_with(start));
    found.unwrap_or_else(|| panic!("{page} has no block for {scene:?} that begins with {start:?}"))
}

#[test]
fn every_block_of_the_documents_is_run_by_a_scene_or_checked_as_what_it_shows() {
    let mut unused: Vec<usize> = (0..BLOCKS.len()).collect();
    let mut problems = Vec::new();
    for block in blocks() {
        match row_of(&block) {
            Some(row) if unused.contains(&row) => unused.retain(|one| *one != row),
            Some(_) => problems.push(format!(
                "{}: a second block begins like this; make both rows of BLOCKS longer:\n{}",
                block.place(),
                block.text
            )),
            None => problems.push(format!(
                "{}: nobody runs or checks this block. Add a row to BLOCKS in \
                 tests/e2e_documents/known.rs: commands to a scene, which runs them in \
                 tests/e2e_documents/scenes/ (nightly.rs if they take minutes); \
                 output and configuration to a kind of Shown, checked in \
                 tests/e2e_documents/shown.rs:\n{}",
                block.place(),
                block.text
            )),
        }
    }
    for row in unused {
        let (page, start, _) = BLOCKS[row];
        problems.push(format!(
            "{page} has no block any more that begins with {start:?}"
        ));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
