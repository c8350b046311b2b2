//! `flugs entrypoint`: behaves as the scripts whose names people know.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use crate::appmaster::lacks_chroot;
use crate::entrypoint::{
    DockerCall, Entrypoint, HELP, NOT_EXECUTABLE, OtherCommand, RoleCall, RunDirectory,
    appmaster_call, canonical_host_name, docker_call, docker_commands, find_program, is_usable,
    task_manager_call,
};
use flugs_base::{ExitCode, did_you_mean};
use flugs_flink::FlinkHome;
use flugs_flink_conf::ConsoleLayout;
use flugs_launch::{
    Extent, HostFacts, ImageTerms, LaunchError, LaunchOrder, LaunchRequest, publish,
};
use flugs_model::{Role, WorkerId};
use flugs_supervise::{self as supervise, ExitOnStop, StatusAddress, StopPolicy, Supervision};

use super::supervision::options::status_from_environment;
use super::{Ending, appmaster, launch, output};

/// The user that the images have for Flink.
const USER: &str = "flink";

/// Behave as docker-entrypoint.sh, mesos-appmaster.sh, mesos-appmaster-job.sh or
/// mesos-taskmanager.sh.
///
/// What follows NAME is read as that script reads it; `flugs entrypoint docker help` explains the
/// first. Called by one of those file names (through a symbolic link, in an image without a
/// shell), flugs does the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ENTRYPOINT [\"flugs\", \"entrypoint\", \"docker\"]
  flugs entrypoint docker taskmanager -Dtaskmanager.numberOfTaskSlots=4
  flugs entrypoint mesos-taskmanager -Djobmanager.rpc.address=master1

As root, the entry point of the images becomes the user flink first, if there is one.")]
pub(super) struct Args {
    /// docker, mesos-appmaster, mesos-appmaster-job or mesos-taskmanager.
    name: String,
    /// The script's own words.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "WORD"
    )]
    words: Vec<OsString>,
}

/// The entry point that this process was called as, before anything is parsed: its words are not
/// this program's options.
pub(super) fn called() -> Option<(Entrypoint, Vec<OsString>)> {
    let mut arguments = std::env::args_os();
    let program = arguments.next()?;
    if let Some(entrypoint) = Entrypoint::of_program(&program) {
        return Some((entrypoint, arguments.collect()));
    }
    if arguments.next()? != "entrypoint" {
        return None;
    }
    let entrypoint = Entrypoint::of_word(&arguments.next()?)?;
    Some((entrypoint, arguments.collect()))
}

/// Only a name that is none of the entry points comes here: [`called`] takes the others.
pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match Entrypoint::of_word(args.name.as_ref()) {
        Some(entrypoint) => behave_as(entrypoint, &args.words),
        None => Err(Ending {
            code: ExitCode::Usage,
            message: format!(
                "unknown entry point \"{}\": expected one of {}{}",
                args.name,
                Entrypoint::ALL.map(Entrypoint::word).join(", "),
                did_you_mean(&args.name, Entrypoint::ALL.map(Entrypoint::word))
            ),
        }),
    }
}

/// Does what the script of that name does.
pub(super) fn behave_as(entrypoint: Entrypoint, words: &[OsString]) -> Result<ProcessExit, Ending> {
    match entrypoint {
        Entrypoint::Docker => match docker_call(words)? {
            DockerCall::Help => {
                output::line(HELP);
                Ok(ProcessExit::SUCCESS)
            }
            DockerCall::Launch(call) => launch_in_image(call),
            DockerCall::AppMaster(words) => {
                output::begin_log();
                let mut environment = super::environment();
                drop_privileges(&mut environment)?;
                let place = RunDirectory::choose(&environment)?;
                appmaster::run_in_image(&words, &place.path, flink_home(&environment)?)
            }
            DockerCall::Other(command) => run_other(&command),
        },
        Entrypoint::MesosTaskManager => launch_on_mesos(words),
        Entrypoint::MesosAppMaster => {
            output::begin_log();
            appmaster::run_script(appmaster_call(false, words, &super::environment())?)
        }
        Entrypoint::MesosAppMasterJob => {
            output::begin_log();
            appmaster::run_script(appmaster_call(true, words, &super::environment())?)
        }
    }
}

fn launch_in_image(call: RoleCall) -> Result<ProcessExit, Ending> {
    let mut environment = super::environment();
    drop_privileges(&mut environment)?;
    let place = RunDirectory::choose(&environment)?;
    let home = flink_home(&environment)?;
    let claim = place.claim(call.role.as_str())?;
    let mut image = image_terms(&environment, &home, &place)?;
    image.index = claim.index;
    let order = LaunchOrder {
        sandbox: claim.path,
        image: Some(image),
        terms: terms(status()),
        flink_home: Some(home),
        held: vec![claim.lock],
        ..order(call, environment)
    };
    launch::carry_out(order)
}

/// A worker that Mesos starts: its sandbox is Mesos's, or the directory it was started in.
fn launch_on_mesos(words: &[OsString]) -> Result<ProcessExit, Ending> {
    let mut environment = super::environment();
    let worker = task_manager_call(words, &environment)?;
    environment.extend(worker.variables);
    let sandbox = super::variable("MESOS_SANDBOX").unwrap_or_else(|| PathBuf::from("."));
    launch::carry_out(LaunchOrder {
        sandbox: super::absolute(&sandbox)?,
        flink_home: Some(flink_home(&environment)?),
        terms: terms(status_from_environment()),
        ..order(worker.call, environment)
    })
}

fn order(call: RoleCall, environment: BTreeMap<String, String>) -> LaunchOrder {
    LaunchOrder {
        role: call.role,
        manifest: None,
        token_file: None,
        cache: None,
        cache_bytes: None,
        authority: None,
        client_identity: None,
        registry_auth: None,
        flink_home: None,
        sandbox: PathBuf::new(),
        properties: call.properties,
        arguments: call.arguments,
        log_layout: ConsoleLayout::AsConfigured,
        environment,
        terms: terms(None),
        grace: None,
        extent: Extent::Run,
        image: None,
        held: Vec::new(),
        ask_chroot: Some(lacks_chroot),
    }
}

/// The supervision of a launch that fills in the program itself.
fn terms(status: Option<StatusAddress>) -> Supervision {
    Supervision {
        status,
        ..Supervision::of("")
    }
}

/// `FLINK_HOME` made absolute (Mesos workers are given `.`), else the images' own.
fn flink_home(environment: &BTreeMap<String, String>) -> Result<PathBuf, Ending> {
    let named = environment
        .get("FLINK_HOME")
        .filter(|home| !home.is_empty());
    super::absolute(Path::new(named.map_or("/opt/flink", String::as_str)))
}

fn image_terms(
    environment: &BTreeMap<String, String>,
    home: &Path,
    place: &RunDirectory,
) -> Result<ImageTerms, Ending> {
    let temporary = environment.get("TMPDIR").filter(|path| !path.is_empty());
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    Ok(ImageTerms {
        host_name: canonical_host_name(&HostFacts::gather().host_name, &hosts),
        directory: super::absolute(Path::new("."))?,
        log: Some(home.join("log")).filter(|log| is_usable(log)),
        clients: place.path.join("clients"),
        index: 0,
        has_temporary_directory: is_usable(Path::new(temporary.map_or("/tmp", String::as_str))),
    })
}

/// The address that the container's variables name for its supervisor, unless another process of
/// this container is asked there already.
fn status() -> Option<StatusAddress> {
    status_from_environment().filter(|address| !supervise::is_asked_at(address))
}

/// As root, becomes the user flink for good, if the image has one: nothing that is written or
/// started from here on is root's. For releases whose official image does not do that any more,
/// root stays, with a word on it.
fn drop_privileges(environment: &mut BTreeMap<String, String>) -> Result<(), Ending> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let home = FlinkHome::open(&flink_home(environment)?);
    if let Ok(home) = home.as_ref()
        && home.version().image_keeps_its_user()
    {
        output::note(
            "flugs: warning: everything in this container runs as root, as this release's \
             official image has it: name a user that is not root (docker run --user)",
        );
        return Ok(());
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if !accounts
        .lines()
        .any(|line| line.split(':').next() == Some(USER))
    {
        return Ok(());
    }
    for (name, value) in supervise::become_user(USER)? {
        // The official image's logs have no user in their names; a USER would put one there.
        if name == "HOME" {
            environment.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Any other command: run as it stands, with this process as its init. What variables set is where
/// the command looks for it.
fn run_other(command: &OtherCommand) -> Result<ProcessExit, Ending> {
    let mut environment = super::environment();
    drop_privileges(&mut environment)?;
    let path = environment
        .get("PATH")
        .map_or("/usr/bin:/bin", String::as_str);
    let program = match find_program(&command.program, path) {
        Ok(program) => program,
        Err(code) => {
            let name = command.program.display();
            output::error(&if code == NOT_EXECUTABLE {
                format!("{name}: cannot be executed")
            } else {
                let word = command.program.to_string_lossy();
                let meant = did_you_mean(&word, docker_commands());
                format!("{name}: not found, and no command of this image (see help){meant}")
            });
            return Ok(code.into());
        }
    };
    let arguments = command.arguments.iter().cloned().map(OsString::into_string);
    let arguments = arguments.collect::<Result<_, _>>().map_err(|word| Ending {
        code: ExitCode::Usage,
        message: format!("the argument {} is not UTF-8", word.display()),
    })?;
    let place = RunDirectory::choose(&environment).ok();
    let mut set = BTreeMap::new();
    if let Some(place) = &place {
        set = configured(place, &environment)?;
    }
    set.extend(flugs_flink::jemalloc_variables(&environment));
    set.extend(environment.remove_entry("HOME"));
    let supervision = Supervision {
        name: display_name(&command.program),
        arguments,
        environment: set,
        stop: StopPolicy {
            grace: supervise::default_grace(None, |name| environment.get(name).cloned()),
            exit_code_on_stop: ExitOnStop::Child,
            ..StopPolicy::default()
        },
        // An interactive shell reads from the terminal.
        foreground: nix::unistd::isatty(std::io::stdin()).unwrap_or(false),
        ..Supervision::of(program)
    };
    Err(supervise::exec_into(&supervision, &[]).into())
}

fn display_name(program: &OsString) -> String {
    String::from_utf8_lossy(program.as_bytes()).into_owned()
}

/// The variables that lead a command to what this container's own set, if that could not be put
/// where commands look anyway. What is wrong with the configuration is told and keeps no command
/// from running: it may be the one to mend it with. A plugin that is not there ends it, as in the
/// official image.
fn configured(
    place: &RunDirectory,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Ending> {
    let home = flink_home(environment)?;
    if !home.is_dir() {
        return Ok(BTreeMap::new());
    }
    let role = Role::JobManager;
    let image = image_terms(environment, &home, place)?;
    let published = publish(
        &LaunchRequest {
            role,
            worker_id: WorkerId::of(role, None),
            sandbox: image.clients.clone(),
            manifest: None,
            properties: Vec::new(),
            arguments: Vec::new(),
            log_layout: ConsoleLayout::AsConfigured,
            environment: environment.clone(),
            host: HostFacts::gather(),
            image: Some(image.clone()),
            flink_home: home,
        },
        &image,
    );
    match published {
        Ok(published) => {
            for warning in &published.warnings {
                output::note(&format!("flugs: warning: {warning}"));
            }
            Ok(published.variables)
        }
        Err(error @ LaunchError::Plugin { .. }) => Err(error.into()),
        Err(error) => {
            let ending = Ending::from(error);
            output::note(&format!("flugs: warning: {}", ending.message));
            Ok(BTreeMap::new())
        }
    }
}
