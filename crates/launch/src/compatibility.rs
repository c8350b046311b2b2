//! Looks at what lies where, for what is known to be hopeless ([`flugs_flink::Combination`]).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flugs_flink::{Combination, JavaCommand, JavaRuntime};
use flugs_flink_conf::options::{Lookup, OptionTable};

use super::{LaunchError, LaunchRequest, SettledLaunch};

/// Refuses a launch that is known to be hopeless, before anything of it starts.
pub(super) fn check(
    request: &LaunchRequest,
    settled: &SettledLaunch,
    java: &JavaRuntime,
    command: &JavaCommand,
) -> Result<(), LaunchError> {
    let version = settled.home.version();
    let table = OptionTable::for_line(version.major(), version.minor());
    // Keys of nobody's are a job's own, which may read them with whatever it brings.
    let is_option = |key: &str| matches!(table.lookup(key), Lookup::Current(_) | Lookup::Alias(_));
    let settings: Vec<(&str, &str)> = settled
        .configuration
        .iter()
        .filter(|(key, _)| is_option(key))
        .map(|(key, setting)| (key, setting.value.as_str()))
        .collect();
    let named = request.variable("FLINK_PLUGINS_DIR").map(PathBuf::from);
    let plugin_directory = named.unwrap_or_else(|| settled.home.plugins());
    let mut plugins = plugin_jars(&plugin_directory);
    plugins.extend(
        settled
            .plugins
            .iter()
            .flat_map(|plan| plan.jars().map(Path::to_owned)),
    );
    let combination = Combination {
        role: settled.role,
        flink: settled.home.version(),
        java: java.feature_version,
        settings: &settings,
        class_path: &class_path(&command.arguments, &settled.layout.root),
        plugins: &plugins,
        plugin_directory: &plugin_directory,
        optional: &jars_in(&settled.home.opt()),
        holds: &holds,
    };
    Ok(combination.check()?)
}

/// The jars of a class path, whose `*` stand for all of a directory.
fn class_path(arguments: &[String], directory: &Path) -> Vec<PathBuf> {
    let at = arguments.iter().position(|one| one == "-classpath");
    let entries = at.and_then(|at| arguments.get(at + 1));
    let mut jars = Vec::new();
    for entry in entries.iter().flat_map(|entries| entries.split(':')) {
        match entry.strip_suffix('*') {
            Some(all) => jars.extend(jars_in(&directory.join(all))),
            None => jars.push(directory.join(entry)),
        }
    }
    jars
}

/// The jars of plugins: each plugin is a directory of its own, a jar beside them is none.
fn plugin_jars(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.flat_map(|entry| jars_in(&entry.path())).collect()
}

fn jars_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut jars: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "jar"))
        .collect();
    jars.sort();
    jars
}

/// Whether a jar that can be read has an entry whose name ends so.
fn holds(jar: &Path, end: &str) -> bool {
    let archive = File::open(jar)
        .ok()
        .and_then(|file| zip::ZipArchive::new(file).ok());
    archive.is_some_and(|archive| {
        archive
            .file_names()
            .flatten()
            .any(|name| name.ends_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_paths_with_stars_and_plugins_in_directories_of_their_own_are_found() {
        let place = tempfile::tempdir().unwrap();
        for file in ["h/a.jar", "h/b.txt", "p/x/x.jar", "p/stray.jar"] {
            let path = place.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let arguments = ["-Xmx1", "-classpath", "flink/lib/f.jar:h/*", "Main"].map(str::to_owned);
        let found = class_path(&arguments, place.path());
        let names = ["flink/lib/f.jar", "h/a.jar"].map(|name| place.path().join(name));
        assert_eq!(found, names);
        let plugins = plugin_jars(&place.path().join("p"));
        assert_eq!(plugins, [place.path().join("p/x/x.jar")]);
        assert!(!holds(&plugins[0], "x"));
    }
}
