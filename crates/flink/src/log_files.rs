//! Where a process logs, and the properties and variables that tell its logging framework.

use std::path::{Path, PathBuf};

use super::entry_point::service;
use flugs_model::Role;

/// What the names of a process's log and pid files are made of, as in Flink's scripts.
#[derive(Debug, Clone, Copy)]
pub struct LogIdentity<'a> {
    /// `FLINK_IDENT_STRING`, else the user's name; often empty in a container.
    pub ident: &'a str,
    /// Which of several processes of this role on this host it is. The scripts count up with
    /// every restart of a container; a launch that replaces its predecessor keeps its number.
    pub index: u32,
    /// The name of the host.
    pub host_name: &'a str,
}

/// The files a process logs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFiles {
    prefix: PathBuf,
}

/// The directory for logs: `FLINK_LOG_DIR`, else `env.log.dir`, else `default`.
pub fn log_directory(
    configuration: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
    default: PathBuf,
) -> PathBuf {
    environment("FLINK_LOG_DIR")
        .filter(|value| !value.is_empty())
        .or_else(|| configuration("env.log.dir").filter(|value| !value.is_empty()))
        .map_or(default, PathBuf::from)
}

/// The name of the file that lists the processes of a role: in `env.pid.dir`, else `/tmp`.
pub fn pid_file(directory: &Path, role: Role, ident: &str) -> PathBuf {
    directory.join(format!("flink-{ident}-{}.pid", service(role)))
}

impl LogFiles {
    /// The files of one process.
    pub fn new(directory: &Path, role: Role, identity: &LogIdentity<'_>) -> Self {
        let LogIdentity {
            ident,
            index,
            host_name,
        } = identity;
        let name = format!("flink-{ident}-{}-{index}-{host_name}", service(role));
        Self {
            prefix: directory.join(name),
        }
    }

    /// The common start of all names, which `${FLINK_LOG_PREFIX}` in Java options stands for.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.with_suffix(".log")
    }

    /// Standard output, if it is redirected.
    pub fn out(&self) -> PathBuf {
        self.with_suffix(".out")
    }

    /// Standard error, if it is redirected.
    pub fn err(&self) -> PathBuf {
        self.with_suffix(".err")
    }

    /// What the JVM writes when it crashes; `%p` is its process id.
    pub fn fatal_error(&self) -> PathBuf {
        self.with_suffix("-hs_err_%p.log")
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = self.prefix.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    }

    /// The system properties for log4j 1, log4j 2 and logback, in the order of Flink's scripts.
    pub(super) fn system_properties(&self, conf_dir: &Path, console_off: bool) -> Vec<String> {
        let log = self.log();
        let log4j = conf_dir.join("log4j-console.properties");
        let logback = conf_dir.join("logback-console.xml");
        let console = console_off.then(|| "-Dconsole.log.level=OFF".to_owned());
        console
            .into_iter()
            .chain([
                format!("-Dlog.file={}", log.display()),
                format!("-Dlog4j.configuration=file:{}", log4j.display()),
                format!("-Dlog4j.configurationFile=file:{}", log4j.display()),
                format!("-Dlogback.configurationFile=file:{}", logback.display()),
            ])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: LogIdentity<'_> = LogIdentity {
        ident: "",
        index: 0,
        host_name: "worker-1",
    };

    #[test]
    fn names_are_those_of_flinks_scripts() {
        let files = LogFiles::new(Path::new("/log"), Role::TaskManager, &IDENTITY);
        let name = "/log/flink--taskexecutor-0-worker-1";
        assert_eq!(files.log(), PathBuf::from(format!("{name}.log")));
        assert_eq!(files.out(), PathBuf::from(format!("{name}.out")));
        assert_eq!(
            pid_file(Path::new("/tmp"), Role::StandaloneJob, "flink"),
            Path::new("/tmp/flink-flink-standalonejob.pid")
        );
    }

    #[test]
    fn the_variable_wins_over_the_option_for_the_log_directory() {
        let option = |key: &str| (key == "env.log.dir").then(|| "/option".to_owned());
        let variable = |name: &str| (name == "FLINK_LOG_DIR").then(|| "/variable".to_owned());
        let none = |_: &str| None;
        let directory = |variable: &dyn Fn(&str) -> Option<String>| {
            log_directory(&option, variable, "/default".into())
        };
        assert_eq!(directory(&variable), Path::new("/variable"));
        assert_eq!(directory(&none), Path::new("/option"));
        assert_eq!(log_directory(&none, &none, "/d".into()), Path::new("/d"));
    }
}
