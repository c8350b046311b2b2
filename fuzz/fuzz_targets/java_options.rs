//! Lines of Java options: no line panics, nothing is invented, and arguments that were split and
//! quoted again split to the same.

use flugs_flink::java_options::split;

pub(crate) fn run(bytes: &[u8]) {
    let line = crate::text(bytes);
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
}
