//! Leads Flink's own scripts in an image to the configuration of the container, where the `conf`
//! directory cannot be written to.

/// The script that all others read first.
pub const SCRIPT: &str = "bin/config.sh";

/// What is added to it. The directories are those of `entrypoint::RunDirectory`; which `conf` the
/// one in them stands in for, the link `source` says (`launch::publish`), so that any other choice
/// of the user's holds. Another user's directory counts for root alone.
const ADDITION: &str = r#"
# Added by flugs: where the conf directory cannot be written to, the entry point of the container
# leaves what the container's variables set in a directory of its own.
for flugs_run in "${FLUGS_RUN_DIR:-/run/flugs}" "${FLUGS_RUN_DIR:-${TMPDIR:-/tmp}/flugs}" \
  "${FLUGS_RUN_DIR:-${TMPDIR:-/tmp}/flugs-$UID}"; do
  if [ -O "$flugs_run/clients" ] || [ "$UID" = 0 ]; then
    if [ -d "$flugs_run/clients/conf" ] &&
      [ "$flugs_run/clients/source" -ef "${FLINK_CONF_DIR:-${FLINK_HOME:-/opt/flink}/conf}" ]; then
      export FLINK_CONF_DIR="$flugs_run/clients/conf"
    fi
    if [ -z "${FLINK_PLUGINS_DIR:-}" ] && [ -d "$flugs_run/clients/plugins" ]; then
      export FLINK_PLUGINS_DIR="$flugs_run/clients/plugins"
    fi
  fi
done
unset flugs_run
"#;

/// The script with the addition behind its first line; as it is, if it has it already.
pub fn with_clients(script: &str) -> String {
    if script.contains(ADDITION) {
        return script.to_owned();
    }
    match script.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => format!("{first}\n{ADDITION}\n{rest}"),
        _ => format!("{ADDITION}\n{script}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::Command;

    /// What a script that reads `config.sh` sees.
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    fn seen(home: &Path, conf: Option<&Path>) -> String {
        let config = home.join("config.sh");
        let script =
            with_clients("#!/usr/bin/env bash\necho \"$FLINK_CONF_DIR $FLINK_PLUGINS_DIR\"\n");
        fs::write(&config, script).unwrap();
        let mut bash = Command::new("bash");
        bash.arg(&config)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("FLINK_HOME", home)
            .env("FLUGS_RUN_DIR", home.join("run"));
        if let Some(conf) = conf {
            bash.env("FLINK_CONF_DIR", conf);
        }
        let output = bash.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn scripts_are_led_to_what_stands_in_for_the_directory_that_they_would_read_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        let clients = home.join("run/clients");
        for path in ["conf", "other", "run/clients/conf", "run/clients/plugins"] {
            fs::create_dir_all(home.join(path)).unwrap();
        }
        let plugins = clients.join("plugins");
        let led = format!("{} {}", clients.join("conf").display(), plugins.display());
        assert_eq!(seen(home, None), plugins.display().to_string());
        symlink(home.join("conf"), clients.join("source")).unwrap();
        assert_eq!(seen(home, None), led);
        assert_eq!(seen(home, Some(&home.join("conf"))), led);
        let other = home.join("other");
        assert!(seen(home, Some(&other)).starts_with(&other.display().to_string()));
        fs::remove_dir_all(&clients).unwrap();
        assert_eq!(seen(home, None), "");
    }

    #[test]
    fn the_addition_stands_once_behind_the_first_line() {
        let once = with_clients("#!/bin/bash\nrest\n");
        assert!(once.starts_with("#!/bin/bash\n\n# Added by flugs"));
        assert!(once.ends_with("rest\n"));
        assert_eq!(with_clients(&once), once);
        assert!(with_clients("rest").ends_with("rest"));
    }
}
