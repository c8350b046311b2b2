//! Where `flugs conf` takes settings from: the same layers, in the same order, as a launch.

use std::path::PathBuf;

use crate::cli::Ending;
use flugs_base::ExitCode;
use flugs_flink::{FlinkHome, FlinkVersion};
use flugs_flink_conf::options::OptionTable;
use flugs_flink_conf::{
    Configuration, Dialect, Layer, Origin, Warning, add_flugs_defaults, add_mesos_defaults,
    apply_environment, load_directory, map_deprecated,
};
use flugs_model::Property;

/// The options that say what to look at.
#[derive(Debug, clap::Args)]
pub(super) struct Sources {
    /// The Flink home, for its version and its conf directory; without --flink-home and
    /// --flink-version, the one that FLINK_HOME names (and the directory FLINK_CONF_DIR).
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,
    /// The Flink version, instead of the Flink home's.
    #[arg(long, value_name = "VERSION")]
    flink_version: Option<String>,
    /// The directory with the configuration file, instead of the Flink home's.
    #[arg(long, value_name = "DIR")]
    conf: Option<PathBuf>,
    /// A setting; wins over files and variables, and later ones over earlier ones.
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Leave out FLINK_PROPERTIES and the other variables of the environment.
    #[arg(long)]
    no_environment: bool,
}

/// All settings, and what is known about the Flink that is to read them.
pub(super) struct Gathered {
    pub(super) configuration: Configuration,
    pub(super) warnings: Vec<Warning>,
    pub(super) version: FlinkVersion,
    pub(super) table: &'static OptionTable,
    /// The conf directory that was read.
    pub(super) directory: Option<PathBuf>,
}

impl Gathered {
    /// The dialect that flugs renders for this Flink.
    pub(super) fn dialect(&self) -> Dialect {
        self.version.configuration_files().rendered()
    }
}

impl Sources {
    /// Reads every source and layers it.
    pub(super) fn gather(&self) -> Result<Gathered, Ending> {
        let home = self.home()?;
        let version = self.version(home.as_ref())?;
        let table = OptionTable::for_line(version.major(), version.minor());
        let directory = (self.conf.clone())
            .or_else(|| self.variable("FLINK_CONF_DIR"))
            .or_else(|| home.map(|home| home.conf()));
        let mut configuration = Configuration::new();
        let mut warnings = Vec::new();
        add_flugs_defaults(&mut configuration);
        if let Some(directory) = &directory {
            let (parsed, _, path) = load_directory(directory, version.configuration_files())?;
            configuration.extend(&parsed, Layer::ConfDirectory, &path.display().to_string());
            warnings.extend(parsed.warnings);
        }
        if !self.no_environment {
            let variables = |name: &str| std::env::var(name).ok();
            warnings.extend(apply_environment(&mut configuration, &variables).warnings);
        }
        for property in &self.properties {
            let Property { key, value } = property.parse()?;
            configuration.set(key, value, Origin::of(Layer::CommandLine));
        }
        warnings.extend(map_deprecated(&mut configuration, table));
        add_mesos_defaults(&mut configuration, table);
        Ok(Gathered {
            configuration,
            warnings,
            version,
            table,
            directory,
        })
    }

    fn home(&self) -> Result<Option<FlinkHome>, Ending> {
        let named = self.flink_home.clone();
        let root = named.or_else(|| self.variable("FLINK_HOME"));
        Ok(root.map(|root| FlinkHome::open(&root)).transpose()?)
    }

    /// A directory that a variable names, if no option says which Flink is meant.
    fn variable(&self, name: &str) -> Option<PathBuf> {
        let is_open = self.flink_home.is_none() && self.flink_version.is_none();
        let value = is_open.then(|| std::env::var_os(name)).flatten()?;
        (!value.is_empty()).then(|| PathBuf::from(value))
    }

    fn version(&self, home: Option<&FlinkHome>) -> Result<FlinkVersion, Ending> {
        match (&self.flink_version, home) {
            (Some(text), _) => Ok(text.parse::<FlinkVersion>()?.supported()?),
            (None, Some(home)) => Ok(home.version().clone()),
            (None, None) => Err(Ending {
                code: ExitCode::Usage,
                message: "which Flink? Give --flink-home or --flink-version, or set FLINK_HOME"
                    .to_owned(),
            }),
        }
    }
}
