//! Trains a JVM: starts a JobManager and a TaskManager of a Flink home that is in place, lets them
//! find one another, and keeps what classes they loaded as class-data archives.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use flugs_flink::rest::RestClient;
use flugs_flink::{
    FlinkHome, JavaRuntime, OLDEST_ARCHIVING_JAVA, archive_name, base_archive,
    travelling_archive_name,
};
use flugs_launch::{FLINK_DIRECTORY, LaunchError, free_port};
use flugs_model::{Role, artifact_time};

use super::AppMasterError;
use super::manifests::ADDRESS;

/// Seconds that a JVM has to write its archive: some twenty thousand classes.
const WRITING: u64 = 120;

/// How often the JobManager is asked.
const PAUSE: Duration = Duration::from_millis(100);

/// What is to be trained.
#[derive(Debug, Clone)]
pub struct Training {
    /// The Flink home, where it will be run from.
    pub flink_home: PathBuf,
    /// Where the archives go.
    pub output: PathBuf,
    /// How long the two may take to find one another.
    pub timeout: Duration,
    /// The program that launches them: flugs itself.
    pub program: PathBuf,
    /// Where Java is, as the launches will find it.
    pub java: JavaRuntime,
    /// Whether workers that Flink travels to get an archive, too.
    pub travelling: bool,
}

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainedArchive {
    /// Whose it is.
    pub role: Role,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Whether it was there before.
    pub was_there: bool,
}

/// What a training has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trained {
    /// The archive of the Java's own classes, if it had none and was given one.
    pub base: Option<PathBuf>,
    /// Flink's.
    pub archives: Vec<TrainedArchive>,
}

/// What one archive is made of.
#[derive(Debug)]
struct Lesson {
    /// The name of its directory.
    name: &'static str,
    role: Role,
    /// Whether Flink's files are in the sandbox.
    travelling: bool,
    /// Where the archive goes in the end.
    target: PathBuf,
}

/// A member in training.
struct Trainee {
    role: Role,
    child: Child,
    archive: PathBuf,
    sandbox: PathBuf,
}

impl Training {
    /// Makes the archives that are not there yet.
    pub async fn run(&self) -> Result<Trained, AppMasterError> {
        let home = FlinkHome::open(&self.flink_home).map_err(LaunchError::from)?;
        self.java.check(home.version()).map_err(LaunchError::from)?;
        if self.java.feature_version < OLDEST_ARCHIVING_JAVA {
            return Err(AppMasterError::CannotArchive {
                found: self.java.feature_version,
            });
        }
        let lessons = self.lessons(&home)?;
        if lessons.iter().all(|lesson| lesson.target.is_file()) {
            let there = lessons
                .into_iter()
                .map(|lesson| trained(lesson.role, lesson.target, true));
            return Ok(Trained {
                base: None,
                archives: there.collect::<Result<_, _>>()?,
            });
        }
        let base = self.give_base().await?;
        let scratch = tempfile::tempdir().map_err(written(&std::env::temp_dir()))?;
        self.train(&home, &lessons, scratch.path()).await?;
        fs::create_dir_all(&self.output).map_err(written(&self.output))?;
        let mut archives = Vec::new();
        for lesson in lessons {
            publish(&lesson.archive(scratch.path()), &lesson.target)?;
            archives.push(trained(lesson.role, lesson.target, false)?);
        }
        Ok(Trained { base, archives })
    }

    /// Gives a Java that has no archive of its own classes one, where it may be written: `jlink`
    /// makes runtimes without, and on it every other archive is built.
    async fn give_base(&self) -> Result<Option<PathBuf>, AppMasterError> {
        let Some(base) = base_archive(&self.java).filter(|base| !base.is_file()) else {
            return Ok(None);
        };
        let mut command = Command::new(&self.java.executable);
        command.arg("-Xshare:dump").stdin(Stdio::null());
        command.kill_on_drop(true);
        let patience = Duration::from_secs(WRITING);
        let ended = timeout(patience, command.output()).await;
        if base.is_file() {
            return Ok(Some(base));
        }
        let said = match ended {
            Ok(Ok(output)) => [output.stdout, output.stderr].concat(),
            Ok(Err(error)) => error.to_string().into_bytes(),
            Err(_) => b"it took too long".to_vec(),
        };
        Err(AppMasterError::NoBaseArchive {
            base,
            java: self.java.executable.clone(),
            said: String::from_utf8_lossy(&said).trim().to_owned(),
        })
    }

    fn lessons(&self, home: &FlinkHome) -> Result<Vec<Lesson>, AppMasterError> {
        let lesson = |name, role, travelling| -> Result<Lesson, AppMasterError> {
            let archive = if travelling {
                travelling_archive_name(&self.java, home, Path::new(FLINK_DIRECTORY))
            } else {
                archive_name(role, &self.java, home, None)
            };
            let archive = archive.map_err(|path| AppMasterError::Untrained {
                what: format!("{} cannot be read", path.display()),
                last_words: String::new(),
            })?;
            Ok(Lesson {
                name,
                role,
                travelling,
                target: self.output.join(archive),
            })
        };
        let mut lessons = vec![
            lesson("jobmanager", Role::JobManager, false)?,
            lesson("taskmanager", Role::TaskManager, false)?,
        ];
        if self.travelling {
            lessons.push(lesson("travelling", Role::TaskManager, true)?);
        }
        Ok(lessons)
    }

    async fn train(
        &self,
        home: &FlinkHome,
        lessons: &[Lesson],
        scratch: &Path,
    ) -> Result<(), AppMasterError> {
        let free = || {
            let port = free_port(Ipv4Addr::LOCALHOST.into());
            port.map_err(|source| AppMasterError::NoFreePort { source })
        };
        let (rpc, rest) = (free()?, free()?);
        let mut trainees = Vec::new();
        for lesson in lessons {
            let sandbox = scratch.join(lesson.name);
            fs::create_dir_all(&sandbox).map_err(written(&sandbox))?;
            if lesson.travelling {
                travel(home, &sandbox.join(FLINK_DIRECTORY))?;
            }
            trainees.push(self.start(lesson, scratch, rpc, rest)?);
        }
        let workers = lessons.iter().filter(|one| one.role == Role::TaskManager);
        let workers = workers.count();
        let client = RestClient::new(&format!("http://127.0.0.1:{rest}"), None)?;
        let deadline = Instant::now() + self.timeout;
        loop {
            if client
                .overview()
                .await
                .is_ok_and(|answer| answer.taskmanagers >= workers)
            {
                break;
            }
            for trainee in &mut trainees {
                if let Ok(Some(status)) = trainee.child.try_wait() {
                    let what = format!("the {} ended with {status}", trainee.role);
                    return Err(trainee.failed(what));
                }
            }
            if Instant::now() >= deadline
                && let Some(worker) = trainees.last()
            {
                let what = format!("no TaskManager registered within {:?}", self.timeout);
                return Err(worker.failed(what));
            }
            sleep(PAUSE).await;
        }
        // The JobManager is the first, and leaves last.
        for trainee in trainees.iter_mut().rev() {
            trainee.finish().await?;
        }
        Ok(())
    }

    fn start(
        &self,
        lesson: &Lesson,
        scratch: &Path,
        rpc: u16,
        rest: u16,
    ) -> Result<Trainee, AppMasterError> {
        let role = lesson.role;
        let sandbox = scratch.join(lesson.name);
        let archive = lesson.archive(scratch);
        let flink_home = if lesson.travelling {
            sandbox.join(FLINK_DIRECTORY)
        } else {
            self.flink_home.clone()
        };
        let log = sandbox.join("stdout");
        let output = fs::File::create(&log).map_err(written(&log))?;
        let errors = output.try_clone().map_err(written(&log))?;
        let mut command = Command::new(&self.program);
        command.args(["launch", role.as_str(), "--follow-parent"]);
        command.args(["--grace", &WRITING.to_string()]);
        command.arg("--flink-home").arg(flink_home);
        command.arg("--dir").arg(&sandbox);
        for (key, value) in settings(rpc, rest) {
            command.args(["-D", &format!("{key}={value}")]);
        }
        // Nothing of the user's own: it would be part of what is archived.
        command.env_clear();
        command.env("JAVA_HOME", &self.java.home);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("FLUGS_CLASS_DATA", "off");
        let option = format!("-XX:ArchiveClassesAtExit={}", archive.display());
        command.env("JVM_ARGS", option);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        command.kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|source| AppMasterError::Untrained {
                what: format!("cannot start {}: {source}", self.program.display()),
                last_words: String::new(),
            })?;
        Ok(Trainee {
            role,
            child,
            archive,
            sandbox,
        })
    }
}

impl Trainee {
    /// Asks it to stop, and waits until it has written its archive.
    async fn finish(&mut self) -> Result<(), AppMasterError> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let patience = Duration::from_secs(WRITING + 5);
        let ended = timeout(patience, self.child.wait()).await;
        if ended.is_err() || !self.archive.is_file() {
            let what = format!("the {}'s JVM wrote no archive", self.role);
            return Err(self.failed(what));
        }
        Ok(())
    }

    fn failed(&self, what: String) -> AppMasterError {
        let said = fs::read_to_string(self.sandbox.join("stdout")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let from = lines.len().saturating_sub(20);
        AppMasterError::Untrained {
            what,
            last_words: lines.get(from..).unwrap_or_default().join("\n"),
        }
    }
}

/// A cluster on the loopback address, as small as Flink allows: sizes are not archived.
fn settings(rpc: u16, rest: u16) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&'static str, String)> = [
        "jobmanager.rpc.address",
        "jobmanager.bind-host",
        "rest.address",
        "rest.bind-address",
        "taskmanager.host",
        "taskmanager.bind-host",
    ]
    .map(|key| (key, ADDRESS.to_owned()))
    .into();
    settings.extend([
        ("jobmanager.rpc.port", rpc.to_string()),
        ("rest.port", rest.to_string()),
        ("rest.bind-port", rest.to_string()),
        ("jobmanager.memory.process.size", "1g".to_owned()),
        ("taskmanager.memory.process.size", "1200m".to_owned()),
    ]);
    settings
}

impl Lesson {
    /// Where the archive is until it is whole.
    fn archive(&self, scratch: &Path) -> PathBuf {
        scratch.join(format!("{}.jsa", self.name))
    }
}

/// Puts Flink's files where a worker that they travel to has them: the jars of the class path
/// with the time of what is fetched, the rest by link.
fn travel(home: &FlinkHome, to: &Path) -> Result<(), AppMasterError> {
    fs::create_dir_all(to).map_err(written(to))?;
    for jar in home
        .jars()
        .iter()
        .map(PathBuf::as_path)
        .chain([home.dist_jar()])
    {
        let target = to.join(jar.strip_prefix(home.root()).unwrap_or(jar));
        let copy = || {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(jar, &target)?;
            let file = fs::File::options().append(true).open(&target)?;
            file.set_modified(artifact_time())
        };
        copy().map_err(written(&target))?;
    }
    for directory in [home.conf(), home.bin(), home.opt(), home.plugins()] {
        let target = to.join(directory.file_name().unwrap_or_default());
        symlink(&directory, &target).map_err(written(&target))?;
    }
    Ok(())
}

/// Puts a finished archive in its place, where readers see all of it or nothing.
fn publish(from: &Path, to: &Path) -> Result<(), AppMasterError> {
    let beside = to.with_extension("jsa.new");
    fs::copy(from, &beside).map_err(written(&beside))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).map_err(written(&beside))?;
    fs::rename(&beside, to).map_err(written(to))
}

fn trained(role: Role, path: PathBuf, was_there: bool) -> Result<TrainedArchive, AppMasterError> {
    let bytes = fs::metadata(&path).map_err(written(&path))?.len();
    Ok(TrainedArchive {
        role,
        path,
        bytes,
        was_there,
    })
}

fn written(path: &Path) -> impl Fn(std::io::Error) -> AppMasterError {
    move |source| AppMasterError::Write {
        path: path.to_owned(),
        source,
    }
}
