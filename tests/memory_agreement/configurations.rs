//! Random memory configurations: plausible ones mostly, impossible and malformed ones among them.

use flugs_model::Role;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// One configuration, in part from a file and in part from the command line.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) role: Role,
    pub(crate) file: Vec<(&'static str, String)>,
    pub(crate) dynamic: Vec<(&'static str, String)>,
}

impl Case {
    /// The case as the Java program reads it.
    pub(crate) fn line(&self) -> String {
        let role = if self.role == Role::TaskManager {
            "TM"
        } else {
            "JM"
        };
        let file = self
            .file
            .iter()
            .map(|(key, value)| format!("F{key}: {value}"));
        let dynamic = self
            .dynamic
            .iter()
            .map(|(key, value)| format!("D{key}={value}"));
        let fields: Vec<String> = [role.to_owned()]
            .into_iter()
            .chain(file)
            .chain(dynamic)
            .collect();
        fields.join("\t")
    }

    /// The value in effect.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let mut settings = self.dynamic.iter().rev().chain(&self.file);
        settings
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value.clone())
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Large,
    Small,
    Fraction,
    Count,
    Cores,
    Flag,
    Names,
}

const TASK_MANAGER: &[(&str, Kind)] = &[
    ("taskmanager.memory.process.size", Kind::Large),
    ("taskmanager.memory.process.size", Kind::Large),
    ("taskmanager.memory.flink.size", Kind::Large),
    ("taskmanager.memory.task.heap.size", Kind::Small),
    ("taskmanager.memory.managed.size", Kind::Small),
    ("taskmanager.memory.size", Kind::Small),
    ("taskmanager.memory.managed.fraction", Kind::Fraction),
    ("taskmanager.memory.framework.heap.size", Kind::Small),
    ("taskmanager.memory.framework.off-heap.size", Kind::Small),
    ("taskmanager.memory.task.off-heap.size", Kind::Small),
    ("taskmanager.memory.network.min", Kind::Small),
    ("taskmanager.memory.network.max", Kind::Large),
    ("taskmanager.memory.network.fraction", Kind::Fraction),
    ("taskmanager.network.memory.fraction", Kind::Fraction),
    ("taskmanager.network.numberOfBuffers", Kind::Count),
    ("taskmanager.memory.segment-size", Kind::Small),
    ("taskmanager.memory.jvm-metaspace.size", Kind::Small),
    ("taskmanager.memory.jvm-overhead.min", Kind::Small),
    ("taskmanager.memory.jvm-overhead.max", Kind::Large),
    ("taskmanager.memory.jvm-overhead.fraction", Kind::Fraction),
    ("taskmanager.heap.size", Kind::Large),
    ("taskmanager.heap.mb", Kind::Count),
    ("taskmanager.numberOfTaskSlots", Kind::Count),
    ("taskmanager.cpu.cores", Kind::Cores),
    ("external-resources", Kind::Names),
    ("external-resource.gpu.amount", Kind::Count),
    ("external-resource.fpga.amount", Kind::Count),
    ("external-resource.Aa.amount", Kind::Count),
    ("external-resource.BB.amount", Kind::Count),
];

const JOB_MANAGER: &[(&str, Kind)] = &[
    ("jobmanager.memory.process.size", Kind::Large),
    ("jobmanager.memory.process.size", Kind::Large),
    ("jobmanager.memory.flink.size", Kind::Large),
    ("jobmanager.memory.heap.size", Kind::Small),
    ("jobmanager.memory.off-heap.size", Kind::Small),
    (
        "jobmanager.memory.enable-jvm-direct-memory-limit",
        Kind::Flag,
    ),
    ("jobmanager.memory.jvm-metaspace.size", Kind::Small),
    ("jobmanager.memory.jvm-overhead.min", Kind::Small),
    ("jobmanager.memory.jvm-overhead.max", Kind::Large),
    ("jobmanager.memory.jvm-overhead.fraction", Kind::Fraction),
    ("jobmanager.heap.size", Kind::Small),
    ("jobmanager.heap.mb", Kind::Count),
    ("jobstore.cache-size", Kind::Count),
];

fn value(kind: Kind) -> BoxedStrategy<String> {
    let odd = select(vec![
        "1.5g",
        "abc",
        "-1",
        "10q",
        "99999999999t",
        "1e3",
        "x y",
        "18446744073709551616",
    ]);
    let odd = odd.prop_map(str::to_owned);
    match kind {
        Kind::Large => prop_oneof![
            12 => (700_u32..20_000).prop_map(|size| format!("{size}m")),
            4 => (1_u32..64).prop_map(|size| format!("{size} GB")),
            6 => (900_000_000_u64..9_000_000_000).prop_map(|size| format!("{size}b")),
            1 => select(vec!["0", "1 tebibytes", "9223372036854775807"]).prop_map(str::to_owned),
            1 => odd,
        ]
        .boxed(),
        Kind::Small => prop_oneof![
            10 => (0_u32..700).prop_map(|size| format!("{size}m")),
            4 => (0_u32..900_000).prop_map(|size| format!("{size}kb")),
            6 => (0_u64..800_000_000).prop_map(|size| size.to_string()),
            2 => select(vec!["4k", "16kb", "32768", "1m", "0"]).prop_map(str::to_owned),
            1 => odd,
        ]
        .boxed(),
        Kind::Fraction => prop_oneof![
            10 => (0_u32..95).prop_map(|hundredths| format!("0.{hundredths:02}")),
            6 => (1_u32..9_000_000).prop_map(|digits| format!("0.{digits:07}")),
            2 => select(vec!["0.0", "0.5", "1.0", "-0.1", "1.5", "0.333333333333", ".25"])
                .prop_map(str::to_owned),
            1 => odd,
        ]
        .boxed(),
        Kind::Count => prop_oneof![
            10 => (1_u32..5_000).prop_map(|count| count.to_string()),
            2 => select(vec!["0", "-3", "2147483647"]).prop_map(str::to_owned),
            1 => odd,
        ]
        .boxed(),
        Kind::Cores => prop_oneof![
            10 => (1_u32..640).prop_map(|tenths| format!("{}.{}", tenths / 10, tenths % 10)),
            2 => (1_u64..9_000_000_000_000).prop_map(|digits| format!("1.{digits:013}")),
            2 => select(vec!["0", "-1.5", "16", "12345678.9", "0.0001", "0.00000000001", "NaN", "-Infinity"])
                .prop_map(str::to_owned),
            1 => odd,
        ]
        .boxed(),
        Kind::Flag => select(vec!["true", "false", "TRUE", "False", "maybe"])
            .prop_map(str::to_owned)
            .boxed(),
        Kind::Names => prop_oneof![
            3 => subsequence(vec!["gpu", "fpga", "Aa", "BB", "other"], 1..=5)
                .prop_shuffle()
                .prop_map(|names| names.join(";")),
            1 => Just("none".to_owned()),
        ]
        .boxed(),
    }
}

fn settings(
    keys: &'static [(&'static str, Kind)],
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(&'static str, String)>> {
    vec(
        select(keys).prop_flat_map(|(key, kind)| value(kind).prop_map(move |value| (key, value))),
        count,
    )
}

/// One random case of either role.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let role = prop_oneof![
        2 => Just((Role::TaskManager, TASK_MANAGER)),
        1 => Just((Role::JobManager, JOB_MANAGER)),
    ];
    role.prop_flat_map(|(role, keys)| {
        (settings(keys, 1..6), settings(keys, 0..3)).prop_map(move |(mut file, dynamic)| {
            file.sort();
            file.dedup_by_key(|(key, _)| *key);
            Case {
                role,
                file,
                dynamic,
            }
        })
    })
}
