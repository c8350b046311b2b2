//! Every fuzz target in one program. `FUZZ_TARGET` names the one that runs.
#![no_main]

mod conf_edit;
mod conf_flat;
mod conf_nested;
mod constraint;
mod exit_report;
mod flink_properties;
mod image_definition;
mod java_failure;
mod java_options;
mod key_store;
mod manifest;
mod master_credentials;
mod master_location;
mod master_node;
mod memory_size;
mod mesos_options;
mod nested_in_flat;
mod option_number;
mod option_structured;
mod range_header;
mod record_io;
mod request_head;
mod scheduler_journal;
mod supervisor_texts;
mod tar_policy;
mod zip_policy;

use std::sync::LazyLock;

/// Judges one input; panics if a promise is broken.
type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 26] = [
    ("conf_edit", conf_edit::run),
    ("conf_flat", conf_flat::run),
    ("conf_nested", conf_nested::run),
    ("constraint", constraint::run),
    ("exit_report", exit_report::run),
    ("flink_properties", flink_properties::run),
    ("image_definition", image_definition::run),
    ("java_failure", java_failure::run),
    ("java_options", java_options::run),
    ("key_store", key_store::run),
    ("manifest", manifest::run),
    ("master_credentials", master_credentials::run),
    ("master_location", master_location::run),
    ("master_node", master_node::run),
    ("memory_size", memory_size::run),
    ("mesos_options", mesos_options::run),
    ("nested_in_flat", nested_in_flat::run),
    ("option_number", option_number::run),
    ("option_structured", option_structured::run),
    ("range_header", range_header::run),
    ("record_io", record_io::run),
    ("request_head", request_head::run),
    ("scheduler_journal", scheduler_journal::run),
    ("supervisor_texts", supervisor_texts::run),
    ("tar_policy", tar_policy::run),
    ("zip_policy", zip_policy::run),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let names = TARGETS.map(|(known, _)| known).join(", ");
    target
        .unwrap_or_else(|| panic!("set FUZZ_TARGET to one of {names}"))
        .1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));

/// The input as text, as far as it is UTF-8.
fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
