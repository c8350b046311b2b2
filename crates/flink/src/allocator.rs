//! jemalloc for the server JVM: where it is, and how many arenas it should have.
//!
//! glibc's allocator fragments under RocksDB (FLINK-19125), so the official image preloads
//! jemalloc, but into every shell and helper as well, and with an arena count taken from the
//! host's processors (FLINK-39924). Here it is preloaded into the server JVM alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where distributions install jemalloc for an architecture: the development name first, since
/// that is the one the official image has, then the name of the runtime library.
fn candidates(architecture: &str) -> Vec<PathBuf> {
    let names = ["libjemalloc.so", "libjemalloc.so.2"];
    let directories = [
        format!("/usr/lib/{architecture}-linux-gnu"),
        "/usr/lib64".to_owned(),
        "/usr/lib".to_owned(),
    ];
    directories
        .iter()
        .flat_map(|directory| names.map(|name| Path::new(directory).join(name)))
        .collect()
}

/// The jemalloc of this machine, unless `DISABLE_JEMALLOC` is set to anything but `false` (the
/// official image's rule) or there is none.
pub fn find_jemalloc(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if environment("DISABLE_JEMALLOC").is_some_and(|value| !value.is_empty() && value != "false") {
        return None;
    }
    candidates(std::env::consts::ARCH)
        .into_iter()
        .find(|path| path.is_file())
}

/// The variables that make any command's JVMs use this machine's jemalloc, if there is one and
/// nobody disabled it.
pub fn jemalloc_variables(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let variable = |name: &str| environment.get(name).cloned();
    let library = find_jemalloc(&variable);
    library.map_or_else(BTreeMap::new, |library| preload(&library, None, &variable))
}

/// The variables that make a process use jemalloc: `LD_PRELOAD`, behind what is preloaded
/// already, and a number of arenas in `MALLOC_CONF` that fits the container's processors, unless
/// the user chose one.
pub(super) fn preload(
    library: &Path,
    cpu_quota: Option<f64>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let library = library.display().to_string();
    let join = |name: &str, separator: &str, value: String| match environment(name) {
        Some(before) if !before.is_empty() => format!("{before}{separator}{value}"),
        _ => value,
    };
    let already = environment("LD_PRELOAD")
        .is_some_and(|preloaded| preloaded.split([':', ' ']).any(|path| path == library));
    let mut variables = BTreeMap::new();
    if !already {
        variables.insert("LD_PRELOAD".to_owned(), join("LD_PRELOAD", ":", library));
    }
    let chosen = environment("MALLOC_CONF").is_some_and(|options| options.contains("narenas"));
    if let Some(arenas) = cpu_quota.and_then(arenas).filter(|_| !chosen) {
        let option = join("MALLOC_CONF", ",", format!("narenas:{arenas}"));
        variables.insert("MALLOC_CONF".to_owned(), option);
    }
    variables
}

/// Four arenas a processor, and one for a single processor: jemalloc's own default, counted by
/// the container's processors (FLINK-39924).
fn arenas(cpu_quota: f64) -> Option<u32> {
    if !(cpu_quota > 0.0 && cpu_quota < 65_536.0) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and 65536"
    )]
    let processors = cpu_quota.ceil() as u32;
    Some(if processors == 1 { 1 } else { 4 * processors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(cpu_quota: Option<f64>, environment: &[(&str, &str)]) -> BTreeMap<String, String> {
        preload(Path::new("/j.so"), cpu_quota, &|name| {
            let pair = environment.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn flink_39924_arenas_follow_the_containers_processors() {
        for (quota, arenas) in [(0.5, 1), (1.0, 1), (1.5, 8), (2.0, 8), (16.0, 64)] {
            let variables = variables(Some(quota), &[]);
            assert_eq!(variables["MALLOC_CONF"], format!("narenas:{arenas}"));
        }
        assert!(!variables(None, &[]).contains_key("MALLOC_CONF"));
        assert!(!variables(Some(f64::NAN), &[]).contains_key("MALLOC_CONF"));
    }

    #[test]
    fn what_the_user_preloads_or_chose_stays() {
        let preloaded = variables(
            Some(2.0),
            &[("LD_PRELOAD", "/a.so"), ("MALLOC_CONF", "x:1")],
        );
        assert_eq!(preloaded["LD_PRELOAD"], "/a.so:/j.so");
        assert_eq!(preloaded["MALLOC_CONF"], "x:1,narenas:8");
        let chosen = [("LD_PRELOAD", "/a.so /j.so"), ("MALLOC_CONF", "narenas:3")];
        assert!(variables(Some(2.0), &chosen).is_empty());
        assert_eq!(
            variables(None, &[("LD_PRELOAD", "")])["LD_PRELOAD"],
            "/j.so"
        );
    }

    #[test]
    fn any_value_but_false_disables_jemalloc_as_in_the_official_image() {
        for value in ["true", "1", "no"] {
            assert_eq!(find_jemalloc(&|_| Some(value.to_owned())), None);
        }
    }
}
