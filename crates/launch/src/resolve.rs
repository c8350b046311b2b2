//! Resolves a launch whose files are in place: which Java, which configuration, how much memory,
//! which command. Reads, asks the Java at hand what only it can say, and tries what directories take;
//! leaves nothing in the sandbox and never starts Flink.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flugs_flink::memory::MemoryPlan;
use flugs_flink::{
    self as flink, ArgumentFile, ClassData, CommandInput, FlinkHome, JavaCommand, JavaRuntime,
    LogIdentity, Unused, choose_class_data, compile_later, find_jemalloc, hide_main_arguments,
    in_doubt, log_directory, reads_argument_files,
};
use flugs_flink_conf::{
    Configuration, ConsoleLayout, Dialect, Taking, Warning, WarningKind, beside_file,
    check_beside_file, container_environment, is_sensitive, missing_log_settings,
};
use flugs_model::{Role, WorkerId};

use super::answers::RuntimeAnswers;
use super::directory_probe::takes_files;
use super::plugins::{self, PluginDirectory};
use super::temporary::temporary;
use super::{LaunchError, LaunchRequest, SandboxLayout, compatibility, configuration, memory};

/// What of a launch is settled whichever Java runs it: also where that Java is in an image.
#[derive(Debug, Clone)]
pub struct SettledLaunch {
    /// What is launched.
    pub role: Role,
    /// The Flink it runs.
    pub home: FlinkHome,
    /// Where things go.
    pub layout: SandboxLayout,
    /// The directory that the user's configuration and log settings are taken from.
    pub conf_source: PathBuf,
    /// How its files are taken.
    pub conf_taking: Taking,
    /// The configuration, each value with its origin.
    pub configuration: Configuration,
    /// The memory of the process.
    pub memory: MemoryPlan,
    /// How the JVM's console log looks.
    pub log_layout: ConsoleLayout,
    /// The plugins directory to put together, if the launch asks for plugins.
    pub plugins: Option<PluginDirectory>,
    /// What was noticed in the configuration's sources.
    pub warnings: Vec<Warning>,
}

/// A launch with nothing left to decide.
#[derive(Debug, Clone)]
pub struct ResolvedLaunch {
    /// What does not depend on the Java.
    pub settled: SettledLaunch,
    /// Its name in its cluster.
    pub worker_id: WorkerId,
    /// The Java it runs on.
    pub java: JavaRuntime,
    /// The command.
    pub command: JavaCommand,
    /// The file that the command reads arguments from, if secrets are among them.
    pub argument_file: Option<ArgumentFile>,
    /// The class-data archive that the command uses, or why it uses none.
    pub class_data: ClassData,
    /// The working directory, if it is not the sandbox.
    pub directory: Option<PathBuf>,
}

/// Settles the configuration, the memory and the plugins of a launch.
pub fn settle(request: &LaunchRequest) -> Result<SettledLaunch, LaunchError> {
    let home = FlinkHome::open(&request.flink_home)?;
    let layout = SandboxLayout::of(&request.sandbox);
    let laid = configuration::lay(request, &home, &layout)?;
    let mut configuration = laid.configuration;
    let memory = memory::plan(request, home.version(), &mut configuration)?;
    let dialect = home.version().configuration_files().rendered();
    check_beside_file(&configuration, dialect, request.role, true)?;
    let plugins = plugins::plan(&home, &layout.root, &laid.image_request.plugins)?;
    Ok(SettledLaunch {
        role: request.role,
        conf_source: configuration::conf_directory(request, &home),
        conf_taking: match request.image {
            Some(_) => Taking::Links,
            None => Taking::Copies,
        },
        home,
        layout,
        configuration,
        memory,
        log_layout: request.log_layout,
        plugins,
        warnings: laid.warnings,
    })
}

/// Finds the Java that a settled launch will run on, if it is one that its Flink accepts.
pub fn java_of(
    request: &LaunchRequest,
    settled: &SettledLaunch,
) -> Result<JavaRuntime, LaunchError> {
    let java = find_java(request, &settled.configuration)?;
    java.check(settled.home.version())?;
    Ok(java)
}

/// Resolves a launch.
pub fn resolve(request: &LaunchRequest) -> Result<ResolvedLaunch, LaunchError> {
    let mut settled = settle(request)?;
    let unsaid = missing_log_settings(&settled.conf_source);
    settled.warnings.extend(unsaid);
    let java = java_of(request, &settled)?;
    let dialect = settled.dialect();
    let reads_files = reads_argument_files(java.feature_version);
    check_beside_file(&settled.configuration, dialect, request.role, reads_files)?;
    let variables = variables(request, &settled);
    let mut command = build_command(request, &settled, &java, &variables)?;
    compatibility::check(request, &settled, &java, &command)?;
    let SettledLaunch { role, home, .. } = &settled;
    let chosen = choose_class_data(
        *role,
        &java,
        home,
        travelled(&settled),
        &command.arguments,
        &|name| request.variable(name).map(str::to_owned),
    );
    let class_data = confirmed(chosen, request, &settled, &command);
    let later = compile_later(&java, &command.arguments);
    let start = class_data.options().into_iter().chain(later);
    command.arguments.splice(0..0, start);
    let mut decided = temporary(request, &settled, &command.arguments);
    settled.warnings.append(&mut decided.warnings);
    if let Some(option) = decided.option {
        command.arguments.insert(0, option);
    }
    settled.warnings.extend(no_log_file(&command));
    let argument_file = hide_secrets(&mut command, &settled);
    Ok(ResolvedLaunch {
        settled,
        worker_id: request.worker_id.clone(),
        java,
        command,
        argument_file,
        class_data,
        directory: request.image.as_ref().map(|image| image.directory.clone()),
    })
}

/// The archive, unless its JVM says that it does not fit the options of the command.
fn confirmed(
    chosen: ClassData,
    request: &LaunchRequest,
    settled: &SettledLaunch,
    command: &JavaCommand,
) -> ClassData {
    let (ClassData::Archive(archive), Some(options)) = (&chosen, in_doubt(&command.arguments))
    else {
        return chosen;
    };
    let directory = &settled.layout.root;
    let refusal = answers(request).refusal(&command.program, archive, &options, directory);
    refusal.map_or(chosen, |words| ClassData::Unused(Unused::Refused(words)))
}

fn answers(request: &LaunchRequest) -> RuntimeAnswers {
    RuntimeAnswers::of(&|name| request.variable(name).map(str::to_owned))
}

impl SettledLaunch {
    /// The dialect of the configuration file that this Flink reads.
    pub fn dialect(&self) -> Dialect {
        self.home.version().configuration_files().rendered()
    }
}

/// Moves the main arguments of a command into a file, if a secret is among them.
fn hide_secrets(command: &mut JavaCommand, settled: &SettledLaunch) -> Option<ArgumentFile> {
    let beside = beside_file(&settled.configuration, settled.dialect());
    let is_needed = beside.iter().any(|(key, _)| is_sensitive(key));
    is_needed.then(|| hide_main_arguments(command, settled.role, &settled.layout.conf))?
}

/// The directory that the JVM works in, if Flink's files were brought there.
fn travelled(settled: &SettledLaunch) -> Option<&Path> {
    let layout = &settled.layout;
    (settled.home.root() == layout.flink).then_some(layout.root.as_path())
}

/// The environment that the JVM is to see: the launcher's own, then what the configuration asks
/// for, then what the manifest says.
fn variables(request: &LaunchRequest, settled: &SettledLaunch) -> BTreeMap<String, String> {
    let mut variables = request.environment.clone();
    variables.extend(container_environment(&settled.configuration, request.role));
    variables.extend(
        request
            .manifest
            .iter()
            .flat_map(|one| one.environment.clone()),
    );
    if let Some(plugins) = &settled.plugins {
        let path = plugins.path.display().to_string();
        variables.insert("FLINK_PLUGINS_DIR".to_owned(), path);
    }
    variables
}

fn find_java(
    request: &LaunchRequest,
    configuration: &Configuration,
) -> Result<JavaRuntime, LaunchError> {
    // A runtime that the manifest's artifacts brought is below the sandbox.
    let sandbox = &request.sandbox;
    let named = configuration
        .get("env.java.home")
        .map(|home| sandbox.join(home));
    let named = named.and_then(|home| home.into_os_string().into_string().ok());
    // What the configuration sets for the JVM's own environment goes before what is there.
    let key = "containerized.taskmanager.env.JAVA_HOME";
    let of_container = (request.role == Role::TaskManager).then(|| configuration.get(key));
    let java_home = of_container
        .flatten()
        .or_else(|| request.variable("JAVA_HOME"));
    let java_home = java_home.map(AsRef::as_ref);
    let path = request.variable("PATH").map(AsRef::as_ref);
    let answers = answers(request);
    let ask = |launcher: &Path| answers.properties(launcher);
    Ok(JavaRuntime::find(named.as_deref(), java_home, path, &ask)?)
}

/// The image's own log directory, if there is one that can be written to, else the sandbox's.
fn default_log(request: &LaunchRequest, layout: &SandboxLayout) -> PathBuf {
    let of_image = request.image.as_ref().and_then(|image| image.log.clone());
    of_image.unwrap_or_else(|| layout.log.clone())
}

/// What to say of a log directory that takes no files.
fn no_log_file(command: &JavaCommand) -> Option<Warning> {
    let log = command.log_files.log();
    let directory = log.parent()?;
    let unfit = takes_files(directory).err()?;
    Some(Warning {
        source: directory.display().to_string(),
        line: None,
        kind: WarningKind::NoLogFile {
            reason: unfit.to_string(),
        },
    })
}

fn build_command(
    request: &LaunchRequest,
    settled: &SettledLaunch,
    java: &JavaRuntime,
    variables: &BTreeMap<String, String>,
) -> Result<JavaCommand, LaunchError> {
    let (layout, configuration) = (&settled.layout, &settled.configuration);
    let of_manifest = request
        .manifest
        .iter()
        .flat_map(|manifest| &manifest.arguments);
    let arguments: Vec<String> = of_manifest.chain(&request.arguments).cloned().collect();
    let lookup = |key: &str| configuration.get(key).map(str::to_owned);
    let environment = |name: &str| {
        variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let ident = environment("FLINK_IDENT_STRING").or_else(|| environment("USER"));
    let mut command = flink::build(&CommandInput {
        home: &settled.home,
        java,
        role: request.role,
        configuration: &lookup,
        environment: &environment,
        conf_dir: &layout.conf,
        log_dir: &log_directory(&lookup, &environment, default_log(request, layout)),
        identity: LogIdentity {
            ident: ident.as_deref().unwrap_or_default(),
            index: request.image.as_ref().map_or(0, |image| image.index),
            host_name: &request.host.host_name,
        },
        memory: &settled.memory,
        settings: &beside_file(configuration, settled.dialect()),
        arguments: &arguments,
        allocator: find_jemalloc(&environment).as_deref(),
        cpu_quota: request.host.cpu_limit,
        travelled: travelled(settled),
    })?;
    // What Flink's own variables say counts; whatever else is new reaches the JVM as well.
    for (name, value) in variables {
        if request.environment.get(name) != Some(value) {
            command
                .environment
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostFacts;
    use flugs_flink_conf::{Layer, Origin};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn runtime(home: &Path) {
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("bin/java"), "").unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.join("bin/java"), executable).unwrap();
        fs::write(home.join("release"), "JAVA_VERSION=\"17.0.1\"\n").unwrap();
    }

    #[test]
    fn java_is_the_one_that_travelled_then_the_containers_then_the_hosts() {
        let place = tempfile::tempdir().unwrap();
        let homes = ["sandbox/java/jdk", "container", "host"].map(|home| place.path().join(home));
        for home in &homes {
            runtime(home);
        }
        let request = LaunchRequest {
            role: Role::TaskManager,
            worker_id: WorkerId::of(Role::TaskManager, None),
            flink_home: place.path().to_owned(),
            sandbox: place.path().join("sandbox"),
            manifest: None,
            properties: Vec::new(),
            arguments: Vec::new(),
            log_layout: ConsoleLayout::AsConfigured,
            environment: [("JAVA_HOME".to_owned(), homes[2].display().to_string())].into(),
            host: HostFacts::default(),
            image: None,
        };
        let mut configuration = Configuration::new();
        let mut found = Vec::new();
        found.push(find_java(&request, &configuration).unwrap().home);
        let container = homes[1].display().to_string();
        for (key, value) in [
            (
                "containerized.taskmanager.env.JAVA_HOME",
                container.as_str(),
            ),
            ("env.java.home", "java/jdk"),
        ] {
            configuration.set(key, value, Origin::of(Layer::Manifest));
            found.push(find_java(&request, &configuration).unwrap().home);
        }
        found.reverse();
        assert_eq!(found, homes);
    }
}
