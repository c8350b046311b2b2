//! Lines of Java options: no line panics, nothing is invented, and arguments that were split and
//! quoted again split to the same.
#![no_main]

use flugs::flink::java_options::split;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let variable = |name: &str| (name == "HOME").then(|| "/home/'flink' $x".to_owned());
    let Ok(arguments) = split(line, &variable) else {
        return;
    };
    if arguments.is_empty() {
        return;
    }
    if !line.contains("${HOME}") {
        let length: usize = arguments.iter().map(String::len).sum();
        assert!(length <= line.len());
    }
    let quoted: Vec<String> = arguments
        .iter()
        .map(|argument| format!("'{}'", argument.replace('\'', "'\\''")))
        .collect();
    // One argument that is quoted as a whole is the line inside, so there must be two.
    let again = split(&format!("'' {}", quoted.join(" ")), &variable);
    let again = again.expect("quoted arguments are well formed");
    assert_eq!(again.get(1..), Some(arguments.as_slice()));
});
