//! Options that have a value under another key: which of several keys counts, decided as Flink's
//! `ConfigOption` decides it, but for the layers, of which a higher one wins.

use super::configuration::{Configuration, Layer, Setting};
use super::options::{Lookup, OptionTable, OtherKey};
use super::parsed::{DropReason, Warning, WarningKind};

/// Names from before the oldest release that has a table: `(older, today's)`. Flink forgot them,
/// all or in some release; where it still has an order of its own, they come last.
const FORGOTTEN: [(&str, &str); 9] = [
    // HighAvailabilityOptions of 1.13.
    ("recovery.mode", "high-availability.type"),
    (
        "recovery.zookeeper.quorum",
        "high-availability.zookeeper.quorum",
    ),
    (
        "recovery.zookeeper.storageDir",
        "high-availability.storageDir",
    ),
    (
        "recovery.zookeeper.path.root",
        "high-availability.zookeeper.path.root",
    ),
    (
        "recovery.zookeeper.path.namespace",
        "high-availability.cluster-id",
    ),
    // JobManagerOptions of 1.5. Where Flink still takes it for where the port is opened, clients
    // find the port under this one.
    ("jobmanager.web.port", "rest.port"),
    ("jobmanager.web.upload.dir", "web.upload.dir"),
    // SecurityOptions of 1.2.
    ("security.keytab", "security.kerberos.login.keytab"),
    ("security.principal", "security.kerberos.login.principal"),
];

/// An option's key and the others that Flink asks for, in its order, if that one is unset.
struct Names {
    key: &'static str,
    others: Vec<OtherKey>,
}

/// Moves every value under an older name to each option that has the name, with its origin, and
/// warns of it, and of values that lose against another name. A name that is an option of its own
/// besides, or stands in for another option, keeps its value.
///
/// A value stays under its older name where moving it would change what a third option falls back
/// to: Flink's fall-backs look at names, not at options.
pub(super) fn resolve_older_names(
    configuration: &mut Configuration,
    table: &'static OptionTable,
) -> Vec<Warning> {
    let all = all_names(table);
    let is_set = |names: &&Names| names.older().any(|key| configuration.contains(key));
    if !all.iter().any(|names| is_set(&names)) {
        return Vec::new();
    }
    let before = configuration.clone();
    let mut verdicts = Verdicts::default();
    for names in all
        .iter()
        .filter(|names| names.older().any(|key| before.contains(key)))
    {
        let Some(taken) = names.taken(&before) else {
            continue;
        };
        verdicts.losers(names, taken, &before);
        let is_moved = names.older().any(|key| key == taken);
        if is_moved {
            verdicts.taken(taken, names.key);
        }
        if is_moved && names.would_change_another(taken, &before, &all) {
            verdicts.left.push(taken);
        } else if is_moved || taken == names.key {
            for older in names.older() {
                configuration.copy(&before, older, names.key);
            }
        }
    }
    for key in all.iter().flat_map(Names::older) {
        let is_there = configuration.contains(key) && !verdicts.left.contains(&key);
        if is_there && !has_meaning_of_its_own(key, table, &all) {
            configuration.remove(key);
        }
    }
    verdicts.warnings(&before)
}

/// Every option that has other keys, those of flugs first.
fn all_names(table: &'static OptionTable) -> Vec<Names> {
    let own = OptionTable::own().options();
    let is_own = |key: &str| {
        own.iter()
            .any(|option| option.key == key && !option.others.is_empty())
    };
    let of_flink = table.options().iter().filter(|option| !is_own(option.key));
    let all = own.iter().chain(of_flink).map(|option| {
        let forgotten = FORGOTTEN.iter().filter(|(older, new)| {
            *new == option.key && option.others.iter().all(|other| other.key != *older)
        });
        let forgotten = forgotten.map(|(older, _)| OtherKey {
            key: older,
            is_older: true,
        });
        Names {
            key: option.key,
            others: option.others.iter().copied().chain(forgotten).collect(),
        }
    });
    all.filter(|names| !names.others.is_empty()).collect()
}

/// Whether a key does more than to be an older name.
fn has_meaning_of_its_own(key: &str, table: &'static OptionTable, all: &[Names]) -> bool {
    let is_option = |table: &OptionTable| matches!(table.lookup(key), Lookup::Current(_));
    let stands_in = |other: &OtherKey| !other.is_older && other.key == key;
    table.with_own().into_iter().any(is_option)
        || all.iter().any(|names| names.others.iter().any(stands_in))
}

impl Names {
    fn older(&self) -> impl Iterator<Item = &'static str> {
        let older = self.others.iter().filter(|other| other.is_older);
        older.map(|other| other.key)
    }

    /// The key whose value the option has: of the highest layer that sets any, the first in
    /// Flink's order. A key that only stands in never goes before the option's own, whatever its
    /// layer.
    fn taken(&self, configuration: &Configuration) -> Option<&'static str> {
        let has_own = configuration.contains(self.key);
        let others = self
            .others
            .iter()
            .filter(|other| other.is_older || !has_own);
        let keys = std::iter::once(self.key).chain(others.map(|other| other.key));
        let mut best: Option<(&'static str, Layer)> = None;
        for key in keys {
            let layer = configuration
                .setting(key)
                .map(|setting| setting.origin.layer);
            if let Some(layer) = layer
                && best.is_none_or(|(_, highest)| layer > highest)
            {
                best = Some((key, layer));
            }
        }
        best.map(|(key, _)| key)
    }

    /// Whether any other option would take another value if this one had that of `taken` under
    /// its own key.
    fn would_change_another(
        &self,
        taken: &str,
        configuration: &Configuration,
        all: &[Names],
    ) -> bool {
        if configuration.contains(self.key) {
            return false;
        }
        let mut after = configuration.clone();
        after.copy(configuration, taken, self.key);
        let falls_back = |names: &&Names| names.others.iter().any(|other| other.key == self.key);
        all.iter().filter(falls_back).any(|names| {
            let value_in = |one: &Configuration| {
                let key = names.taken(one)?;
                one.get(key).map(str::to_owned)
            };
            value_in(configuration) != value_in(&after)
        })
    }
}

/// What was decided of each name.
#[derive(Default)]
struct Verdicts {
    /// Older names that count, each with the options that it counts for.
    taken: Vec<(&'static str, Vec<&'static str>)>,
    /// Names whose value does not count.
    dropped: Vec<(&'static str, WarningKind)>,
    /// Names that keep their value.
    left: Vec<&'static str>,
}

impl Verdicts {
    fn taken(&mut self, older: &'static str, option: &'static str) {
        match self.taken.iter_mut().find(|(key, _)| *key == older) {
            Some((_, options)) => options.push(option),
            None => self.taken.push((older, vec![option])),
        }
    }

    /// Notes every name that is set to something else than `taken`.
    fn losers(&mut self, names: &Names, taken: &'static str, configuration: &Configuration) {
        let Some(winner) = configuration.setting(taken) else {
            return;
        };
        for key in std::iter::once(names.key).chain(names.older()) {
            let Some(loser) = configuration.setting(key) else {
                continue;
            };
            if key != taken && loser.value != winner.value {
                let reason = drop_reason(names, taken, winner, loser);
                let kind = WarningKind::Dropped {
                    key: key.to_owned(),
                    taken: taken.to_owned(),
                    reason,
                };
                self.dropped.push((key, kind));
            }
        }
    }

    fn warnings(self, configuration: &Configuration) -> Vec<Warning> {
        let deprecated = self.taken.into_iter().map(|(key, options)| {
            let kind = WarningKind::Deprecated {
                key: key.to_owned(),
                instead: format!("use {}", options.join(" and ")),
            };
            (key, kind)
        });
        // Nobody wrote what flugs and the image set by themselves.
        let is_somebodys = |key: &str| {
            let setting = configuration.setting(key);
            setting.is_some_and(|setting| setting.origin.layer > Layer::ImageDefault)
        };
        deprecated
            .chain(self.dropped)
            .filter(|(key, _)| is_somebodys(key))
            .map(|(key, kind)| Warning::of_setting(configuration, key, kind))
            .collect()
    }
}

fn drop_reason(names: &Names, taken: &str, winner: &Setting, loser: &Setting) -> DropReason {
    let option = names.key.to_owned();
    if winner.origin.layer > loser.origin.layer {
        DropReason::HigherLayer {
            layer: winner.origin.layer.name(),
        }
    } else if taken == names.key {
        DropReason::OwnKey
    } else {
        DropReason::EarlierName { option }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Origin;

    fn resolved(settings: &[(&str, &str, Layer)], line: (u32, u32)) -> (String, String) {
        let mut configuration = Configuration::new();
        for (key, value, layer) in settings {
            configuration.set(*key, *value, Origin::of(*layer));
        }
        let table = OptionTable::for_line(line.0, line.1);
        let warnings = resolve_older_names(&mut configuration, table);
        let settings = configuration
            .iter()
            .map(|(key, setting)| format!("{key}={}", setting.value));
        let warnings = warnings.iter().map(ToString::to_string);
        (
            settings.collect::<Vec<_>>().join(" "),
            warnings.collect::<Vec<_>>().join("\n"),
        )
    }

    const FILE: Layer = Layer::ConfDirectory;
    const COMMAND: Layer = Layer::CommandLine;

    #[test]
    fn of_several_older_names_the_first_of_flinks_list_counts_and_the_others_are_said() {
        let (settings, warnings) = resolved(
            &[
                ("recovery.zookeeper.storageDir", "/old", FILE),
                ("high-availability.zookeeper.storageDir", "/new", FILE),
            ],
            (1, 13),
        );
        assert_eq!(settings, "high-availability.storageDir=/new");
        insta::assert_snapshot!(warnings, @r#"
conf-directory: "high-availability.zookeeper.storageDir" is deprecated: use high-availability.storageDir
conf-directory: the value of "recovery.zookeeper.storageDir" does not count: for "high-availability.storageDir" Flink looks at "high-availability.zookeeper.storageDir" first, which is set to something else
"#);
    }

    #[test]
    fn the_order_of_the_names_is_that_of_the_release() {
        let names = [
            ("recovery.mode", "none", FILE),
            ("high-availability", "zookeeper", FILE),
        ];
        assert_eq!(resolved(&names, (1, 13)).0, "high-availability=zookeeper");
        assert_eq!(resolved(&names, (1, 20)).0, "high-availability.type=none");
    }

    #[test]
    fn an_older_name_of_two_options_sets_both() {
        let (settings, warnings) =
            resolved(&[("jobmanager.web.address", "127.0.0.1", FILE)], (1, 13));
        assert_eq!(
            settings,
            "jobmanager.web.address=127.0.0.1 rest.bind-address=127.0.0.1 web.address=127.0.0.1"
        );
        insta::assert_snapshot!(warnings, @r#"conf-directory: "jobmanager.web.address" is deprecated: use rest.bind-address and web.address"#);
    }

    #[test]
    fn a_key_that_stands_in_goes_before_an_older_name_behind_it() {
        let names = [("web.port", "8070", FILE), ("rest.port", "8072", FILE)];
        let (settings, warnings) = resolved(&names, (2, 3));
        assert_eq!(settings, "rest.port=8072");
        insta::assert_snapshot!(warnings, @r#"
conf-directory: the value of "web.port" does not count: for "rest.bind-port" Flink looks at "rest.port" first, which is set to something else
conf-directory: the value of "web.port" does not count: it is an older name of "rest.port", which is set to something else
"#);
        let (settings, _) = resolved(&[("web.port", "8070", COMMAND), names[1]], (2, 3));
        assert_eq!(settings, "rest.bind-port=8070 rest.port=8070");
    }

    #[test]
    fn a_value_stays_where_moving_it_would_change_what_another_option_falls_back_to() {
        let (settings, warnings) = resolved(&[("akka.ask.timeout", "60 s", FILE)], (1, 20));
        assert_eq!(settings, "akka.ask.timeout=60 s");
        insta::assert_snapshot!(warnings, @r#"conf-directory: "akka.ask.timeout" is deprecated: use pekko.ask.timeout"#);
        let both = [
            ("akka.ask.timeout", "60 s", COMMAND),
            ("pekko.ask.timeout", "9 s", FILE),
        ];
        assert_eq!(resolved(&both, (1, 20)).0, "pekko.ask.timeout=60 s");
    }

    #[test]
    fn equal_values_under_two_names_are_no_conflict_and_flugs_own_defaults_are_nobodys() {
        let names = [("rest.port", "8072", FILE), ("web.port", "8072", FILE)];
        assert_eq!(resolved(&names, (2, 3)).1, "");
        let key = "jobmanager.adaptive-scheduler.resource-wait-timeout";
        assert_eq!(resolved(&[(key, "1", Layer::FlugsDefault)], (2, 3)).1, "");
    }
}
