//! The two ways of naming a Flink: a home that is there, or a version to assemble.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flugs_base::ExitCode;

use super::{Ending, output};

/// The script that assembles a Flink home, carried in the binary so that it needs no files.
const SCRIPT: &str = include_str!("../../tools/flink-home.sh");

/// Which Flink to run.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "which-flink", multiple = false)]
pub(super) struct Args {
    /// The Flink home to run [default: FLINK_HOME of the environment].
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,
    /// The Flink version to run; assembled from its published packages if it is not there yet.
    #[arg(long, value_name = "VERSION")]
    flink_version: Option<String>,
}

impl Args {
    /// Means this home unless another one is named.
    pub(super) fn or_home(&mut self, home: PathBuf) {
        if self.flink_version.is_none() && self.flink_home.is_none() {
            self.flink_home = Some(home);
        }
    }

    /// The home that is meant, assembled if need be.
    pub(super) fn resolve(&self) -> Result<PathBuf, Ending> {
        if let Some(version) = &self.flink_version {
            return assemble(version);
        }
        let home = self
            .flink_home
            .clone()
            .or_else(|| super::variable("FLINK_HOME"));
        let home = home.ok_or_else(|| Ending {
            code: ExitCode::Usage,
            message: "which Flink? Name one with --flink-home, --flink-version or FLINK_HOME"
                .to_owned(),
        })?;
        super::absolute(&home)
    }
}

/// Runs the script, which recognises a home that it has made before.
fn assemble(version: &str) -> Result<PathBuf, Ending> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if version.is_empty() || version.starts_with(['-', '.']) || !version.chars().all(plain) {
        return Err(Ending {
            code: ExitCode::FlinkVersion,
            message: format!("\"{version}\" is not a Flink version: expected one like 2.3.0"),
        });
    }
    let home = cache_directory().join("flugs").join("flink").join(version);
    if flugs_flink::FlinkHome::open(&home).is_ok() {
        return Ok(home);
    }
    output::note(&format!(
        "flugs: assembling Flink {version} in {}",
        home.display()
    ));
    run_script(version, &home).map_err(|reason| Ending {
        code: ExitCode::FlinkVersion,
        message: format!(
            "cannot assemble Flink {version}: {reason}; or name a Flink home with --flink-home"
        ),
    })?;
    Ok(home)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one child of a process that has started nothing yet: there is no reaper to race"
)]
fn run_script(version: &str, home: &Path) -> Result<(), String> {
    let mut script = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    script
        .write_all(SCRIPT.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut command = Command::new("bash");
    command.arg(script.path()).arg(version).arg(home);
    command.stdin(Stdio::null());
    let status = if output::renews_lines() {
        command.stdout(std::io::stderr()).status()
    } else {
        run_by_lines(command)
    };
    let status = status.map_err(|error| format!("bash could not be run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the script ended with {status}"))
    }
}

/// Runs a command and says what it prints line by line, as this program's own.
#[expect(
    clippy::disallowed_methods,
    reason = "the one child of a process that has started nothing yet: there is no reaper to race"
)]
fn run_by_lines(mut command: Command) -> std::io::Result<std::process::ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // Its ends of the pipe go with it; otherwise the last line would never come.
    drop(command);
    for line in BufReader::new(reader).lines() {
        output::note(&line?);
    }
    child.wait()
}

/// `$XDG_CACHE_HOME`, else `~/.cache` (XDG Base Directory Specification), else below `/var/tmp`.
fn cache_directory() -> PathBuf {
    let given = super::variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    given
        .or_else(|| super::variable("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/var/tmp"))
}
