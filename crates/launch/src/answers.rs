//! What only a Java runtime itself can say: asked once, and remembered in the user's cache.
//!
//! An answer is good for one file: its path, size, time and inode are part of the question.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd as _;

use flugs_base::Sha256Digest;

/// A JVM answers in tenths of a second; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options from the environment may open ports and files, and are no part of a question.
pub(super) const KEPT_BACK: [&str; 3] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];

/// How a JVM's answer begins that takes an archive.
const TAKEN: &str = "taken";

/// What runtimes have answered.
#[derive(Debug, Clone)]
pub struct RuntimeAnswers {
    /// Where answers are remembered, if anywhere.
    directory: Option<PathBuf>,
}

impl RuntimeAnswers {
    /// Those that the user's cache directory remembers: `flugs/java` in `XDG_CACHE_HOME`, else in
    /// `~/.cache`.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")));
        Self {
            directory: cache
                .filter(|path| path.is_absolute())
                .map(|path| path.join("flugs/java")),
        }
    }

    /// The properties of the runtime behind a launcher, as it prints them.
    pub fn properties(&self, launcher: &Path) -> Option<String> {
        let arguments = ["-XshowSettings:properties", "-version"].map(str::to_owned);
        let question = question(&[launcher], &arguments)?;
        self.remembered(&question, || {
            let said = ask(launcher, &arguments, None)?;
            said.well.then_some(said.text)
        })
    }

    /// Why the JVM of a launcher does not take an archive beside these options; `None` if it does,
    /// or if it does not answer: it will go on without the archive by itself then.
    pub fn refusal(
        &self,
        launcher: &Path,
        archive: &Path,
        options: &[String],
        directory: &Path,
    ) -> Option<String> {
        let mut arguments = vec![
            format!("-XX:SharedArchiveFile={}", archive.display()),
            "-Xshare:on".to_owned(),
        ];
        arguments.extend(options.iter().cloned());
        arguments.push("-version".to_owned());
        let question = question(&[launcher, archive], &arguments)?;
        let answer = self.remembered(&question, || {
            let said = ask(launcher, &arguments, Some(directory))?;
            Some(if said.well {
                TAKEN.to_owned()
            } else {
                said.reason()
            })
        })?;
        (answer != TAKEN).then_some(answer)
    }

    fn remembered(&self, question: &str, ask: impl FnOnce() -> Option<String>) -> Option<String> {
        let name = Sha256Digest::of(question.as_bytes()).to_string();
        let known = self.directory.as_ref().map(|place| place.join(name));
        if let Some(answer) = known
            .as_ref()
            .and_then(|file| fs::read_to_string(file).ok())
        {
            return Some(answer);
        }
        let answer = ask()?;
        // What cannot be remembered is asked again.
        let _ = known.map(|file| remember(&file, &answer));
        Some(answer)
    }
}

fn remember(file: &Path, answer: &str) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(file);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(answer.as_bytes())?;
    new.persist(file)?;
    Ok(())
}

/// A question's text, which is another one when a file is.
fn question(files: &[&Path], arguments: &[String]) -> Option<String> {
    let mut text = arguments.join("\n");
    for file in files {
        let found = fs::metadata(file).ok()?;
        let line = format!(
            "\n{} {} {}.{} {}:{}",
            file.display(),
            found.len(),
            found.mtime(),
            found.mtime_nsec(),
            found.dev(),
            found.ino()
        );
        text.push_str(&line);
    }
    Some(text)
}

/// What a JVM said, and whether it ended well.
struct Said {
    text: String,
    well: bool,
}

impl Said {
    /// The first line that says something, without the JVM's own decoration.
    fn reason(&self) -> String {
        let plain = |line: &str| {
            let inner = line.rsplit_once(']').map_or(line, |(_, inner)| inner);
            inner.trim().to_owned()
        };
        let lines: Vec<String> = self.text.lines().map(plain).collect();
        let general = ["Unable to use shared archive", "An error has occurred"];
        let says = |line: &&String| {
            !line.is_empty() && !general.iter().any(|general| line.starts_with(general))
        };
        let said = lines.iter().find(says).or_else(|| lines.first());
        said.cloned().unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one child of a process that supervises nothing yet: its end is waited for here"
)]
fn ask(launcher: &Path, arguments: &[String], directory: Option<&Path>) -> Option<Said> {
    let (reader, writer) = std::io::pipe().ok()?;
    let mut command = Command::new(launcher);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().ok()?)
        .stderr(writer);
    for variable in KEPT_BACK {
        command.env_remove(variable);
    }
    if let Some(directory) = directory.filter(|directory| directory.is_dir()) {
        command.current_dir(directory);
    }
    let mut child = command.spawn().ok()?;
    // Its own ends of the pipe would keep the reading from ending.
    drop(command);
    let text = read_in_time(reader);
    if text.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    Some(Said {
        text: text?,
        well: status.success(),
    })
}

/// All that is written before the other end closes; `None` if that takes too long.
fn read_in_time(mut reader: std::io::PipeReader) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::try_from(left).ok()?) {
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        match reader.read(&mut chunk).ok()? {
            0 => return Some(String::from_utf8_lossy(&bytes).into_owned()),
            count => bytes.extend_from_slice(chunk.get(..count)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Scene {
        directory: tempfile::TempDir,
        launcher: PathBuf,
        answers: RuntimeAnswers,
    }

    impl Scene {
        /// A launcher that runs `script`, after it has written down that it was asked.
        fn new(script: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let launcher = directory.path().join("java");
            let cache = directory.path().join("cache");
            let scene = Self {
                answers: RuntimeAnswers::of(&|name| {
                    (name == "XDG_CACHE_HOME").then(|| cache.display().to_string())
                }),
                directory,
                launcher,
            };
            scene.runs(script);
            scene
        }

        fn runs(&self, script: &str) {
            let log = self.directory.path().join("asked");
            let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", log.display());
            fs::write(&self.launcher, text).unwrap();
            fs::set_permissions(&self.launcher, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn asked(&self) -> usize {
            let log = fs::read_to_string(self.directory.path().join("asked"));
            log.unwrap_or_default().lines().count()
        }
    }

    #[test]
    fn a_runtime_is_asked_once_and_again_only_when_it_is_another() {
        let scene = Scene::new("echo '    java.home = /x' >&2");
        for _ in 0..3 {
            let answer = scene.answers.properties(&scene.launcher).unwrap();
            assert_eq!(answer.trim(), "java.home = /x");
        }
        assert_eq!(scene.asked(), 1);
        scene.runs("echo '    java.home = /other'");
        let answer = scene.answers.properties(&scene.launcher).unwrap();
        assert_eq!(answer.trim(), "java.home = /other");
        assert_eq!(scene.asked(), 2);
    }

    #[test]
    fn a_runtime_that_fails_has_no_answer_and_none_is_remembered() {
        let scene = Scene::new("echo no; exit 1");
        assert_eq!(scene.answers.properties(&scene.launcher), None);
        assert_eq!(scene.answers.properties(&scene.launcher), None);
        assert_eq!(scene.asked(), 2);
        assert_eq!(scene.answers.properties(Path::new("/nonexistent")), None);
    }

    #[test]
    fn what_a_jvm_thinks_of_an_archive_beside_options_is_learned_once_for_each() {
        let refuses = "case \"$*\" in *Odd*) echo '[0.018s][warning][cds] Unable to use shared archive file.'; echo '[     ] The setting of Odd is another.'; exit 1;; esac";
        let scene = Scene::new(refuses);
        let archive = scene.directory.path().join("x.jsa");
        fs::write(&archive, "").unwrap();
        let refusal = |options: &[&str]| {
            let options: Vec<String> = options.iter().map(|&one| one.to_owned()).collect();
            let place = scene.directory.path();
            scene
                .answers
                .refusal(&scene.launcher, &archive, &options, place)
        };
        for _ in 0..2 {
            assert_eq!(refusal(&["-XX:+Fine"]), None);
            assert_eq!(
                refusal(&["-XX:+Odd"]).as_deref(),
                Some("The setting of Odd is another.")
            );
        }
        assert_eq!(scene.asked(), 2);
    }
}
