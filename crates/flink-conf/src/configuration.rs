//! All settings of a launch, in layers: every value remembers where it came from, and every value
//! that lost is still there to be explained.

use std::collections::BTreeMap;

use super::parsed::Parsed;

/// Where a value comes from, in the order of precedence: later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// What flugs sets unless anybody else does. It is the lowest because it must give way even
    /// to a shipped `conf` directory that names the key.
    FlugsDefault,
    /// What the image or its older variables set.
    ImageDefault,
    /// The configuration file of the `conf` directory.
    ConfDirectory,
    /// A configuration overlay (Hadoop, keytab, TLS stores).
    Overlay,
    /// Single variables of the official image, such as `JOB_MANAGER_RPC_ADDRESS`.
    Environment,
    /// `FLINK_PROPERTIES`. The official entrypoint applies it after the single variables.
    FlinkProperties,
    /// The properties of a launch manifest.
    Manifest,
    /// `-D` on the command line.
    CommandLine,
    /// What is computed from everything below (memory from a container's limit).
    Derived,
    /// What a launch must force: ports, addresses, the resource id.
    Forced,
}

impl Layer {
    /// Every layer, lowest first.
    pub const ALL: [Self; 10] = [
        Self::FlugsDefault,
        Self::ImageDefault,
        Self::ConfDirectory,
        Self::Overlay,
        Self::Environment,
        Self::FlinkProperties,
        Self::Manifest,
        Self::CommandLine,
        Self::Derived,
        Self::Forced,
    ];

    /// The name under which `flugs conf explain` shows the layer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FlugsDefault => "flugs-default",
            Self::ImageDefault => "image-default",
            Self::ConfDirectory => "conf-directory",
            Self::Overlay => "overlay",
            Self::Environment => "environment",
            Self::FlinkProperties => "flink-properties",
            Self::Manifest => "manifest",
            Self::CommandLine => "command-line",
            Self::Derived => "derived",
            Self::Forced => "forced",
        }
    }
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The layer.
    pub layer: Layer,
    /// The file or variable, where there is one.
    pub source: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
}

impl Origin {
    /// An origin that is nothing but a layer.
    pub const fn of(layer: Layer) -> Self {
        Self {
            layer,
            source: None,
            line: None,
        }
    }

    /// An origin with a source: a file, a variable, or a word that says who computed it.
    pub fn from_source(layer: Layer, source: impl Into<String>) -> Self {
        Self {
            layer,
            source: Some(source.into()),
            line: None,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.layer.name())?;
        match (&self.source, self.line) {
            (Some(source), Some(line)) => write!(formatter, " {source}:{line}"),
            (Some(source), None) => write!(formatter, " {source}"),
            (None, _) => Ok(()),
        }
    }
}

/// One value of one layer.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value, exactly as Flink is to see it.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Shows the origin only: the value may be a secret, and `Debug` output ends in logs.
impl std::fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Setting")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Settings of all layers by key, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    settings: BTreeMap<String, Vec<Setting>>,
}

impl Configuration {
    /// A configuration without settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value. It takes effect unless a higher layer has set the key; within one layer the
    /// later call wins. What it overrides stays visible to [`Self::all`].
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let settings = self.settings.entry(key.into()).or_default();
        let position = settings.partition_point(|other| other.origin.layer <= origin.layer);
        let value = value.into();
        settings.insert(position, Setting { value, origin });
    }

    /// Adds every setting of one parsed source.
    pub fn extend(&mut self, parsed: &Parsed, layer: Layer, source: &str) {
        for setting in &parsed.settings {
            let origin = Origin {
                layer,
                source: Some(source.to_owned()),
                line: Some(setting.line),
            };
            self.set(setting.key.clone(), setting.value.clone(), origin);
        }
    }

    /// The value in effect.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.setting(key).map(|setting| setting.value.as_str())
    }

    /// The value in effect and where it comes from.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)?.last()
    }

    /// The values of every layer, lowest first; the last one is in effect.
    pub fn all(&self, key: &str) -> &[Setting] {
        self.settings.get(key).map_or(&[], Vec::as_slice)
    }

    /// The values in effect, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings
            .iter()
            .filter_map(|(key, settings)| Some((key.as_str(), settings.last()?)))
    }

    /// Moves the values of every layer to another key, each with its origin. Within one layer a
    /// value that the other key has already stays in effect.
    pub fn rename(&mut self, old: &str, new: &str, form: impl Fn(&str) -> String) {
        let moved = self.settings.remove(old).unwrap_or_default();
        let settings = self.settings.entry(new.to_owned()).or_default();
        for Setting { value, origin } in moved.into_iter().rev() {
            let position = settings.partition_point(|other| other.origin.layer < origin.layer);
            let value = form(&value);
            settings.insert(position, Setting { value, origin });
        }
    }

    /// Adds the values that a key has in the layers of another configuration to a second key. Within
    /// one layer a value that the second key has already stays in effect.
    pub(super) fn copy(&mut self, from: &Self, old: &str, new: &str) {
        let settings = self.settings.entry(new.to_owned()).or_default();
        for setting in from.all(old).iter().rev() {
            let layer = setting.origin.layer;
            let position = settings.partition_point(|other| other.origin.layer < layer);
            settings.insert(position, setting.clone());
        }
        if settings.is_empty() {
            self.settings.remove(new);
        }
    }

    /// Removes a key from every layer; gives what was in effect.
    pub fn remove(&mut self, key: &str) -> Option<Setting> {
        self.settings.remove(key)?.pop()
    }

    /// Whether any layer sets the key.
    pub fn contains(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.settings.len()
    }

    /// Whether there are no settings at all.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_layer_wins_whatever_the_order_of_the_calls() {
        let mut configuration = Configuration::new();
        configuration.set("a", "forced", Origin::of(Layer::Forced));
        configuration.set("a", "file", Origin::of(Layer::ConfDirectory));
        configuration.set("a", "again", Origin::of(Layer::ConfDirectory));
        assert_eq!(configuration.get("a"), Some("forced"));
        let values: Vec<&str> = configuration
            .all("a")
            .iter()
            .map(|s| s.value.as_str())
            .collect();
        assert_eq!(values, ["file", "again", "forced"]);
    }

    #[test]
    fn flink_properties_win_over_the_single_variables_as_in_the_official_image() {
        assert!(Layer::Environment < Layer::FlinkProperties);
        assert!(Layer::ALL.is_sorted());
    }

    #[test]
    fn debug_output_holds_no_value() {
        let mut configuration = Configuration::new();
        configuration.set("s3.secret-key", "hunter2", Origin::of(Layer::Manifest));
        assert!(!format!("{configuration:?}").contains("hunter2"));
    }
}
