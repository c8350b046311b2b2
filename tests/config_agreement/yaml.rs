//! Random texts that are YAML, nearly YAML, and not YAML at all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const PIECES: &[&str] = &[
    "a", "b.c", "key", ": ", ": ", ": ", ":", "\n", "\n", "\n", "  ", " ", "- ", "-", "[", "]",
    "{", "}", ", ", ",", "'", "\"", "#", " #", "|", ">", "|-", ">+", "&x ", "*x", "!!str ",
    "!!int ", "! ", "~", "null", "1", "007", "0x1F", "1e3", ".5", "\t", "---", "...", "%", "@",
    "é", "? ", "?", "true", "\r\n", "\\", "\\n", "x y", "\u{85}", "\u{2028}", "\u{feff}", "<<",
    "=", "'x'", "\"y\"", "&y", "*y", "!z ",
];

const VALUES: &[&str] = &[
    "1",
    "-1",
    "+7",
    "007",
    "0o17",
    "0x1F",
    "0xG",
    "1_000",
    "0.10",
    "1e3",
    "1E-9",
    ".5",
    "1.",
    ".inf",
    "-.INF",
    ".nan",
    "true",
    "False",
    "yes",
    "on",
    "null",
    "~",
    "",
    "x",
    "x y",
    "a:b",
    "a#b",
    "a #b",
    "s3://b/p?x=1&y=2",
    "-Xmx1g -Dx=\"p q\"",
    "10 min",
    "2020-01-01",
    "12:30:45",
    "[1, 2]",
    "[]",
    "{}",
    "{a: 1}",
    "[a, {b: c}]",
    "'it''s'",
    "\"a\\tb\"",
    "\"\\x41\\u00e9\"",
    "|\n    l1\n    l2\n",
    ">-\n    l1\n    l2\n",
    "!!str 5",
    "!!float 1",
    "- x",
    "@x",
    "`x`",
    "%x",
    "&a v",
    "*a",
    "!x y",
    "a: b",
    "x:",
    "-",
    "?",
    ":",
    "? x",
    ":x",
    "-x",
    "?x",
    ",x",
    "1e400",
    "123456789012345678901234567890",
    "1.0E10",
    "0.001",
    "0.0001",
    "12345678.9",
    "'",
    "\"",
    "é中",
    "x\ty",
    "<<",
    "=",
    "[a: b]",
    "[a: b, c]",
    "[\"x\", 'y', z w, 1.50, ~, true]",
    "[x:y, \"a:b\", 'p,q', \"\"]",
    "[\"l1\\nl2\", \"tab\\t\", \" x\", \"x \", \"'\", \"\\\"\", \"#\", \"a #b\", \"---\", \"-\", \"? x\"]",
    "[{k: [1, {z: y}]}, [[]], {}]",
    "[yes, 0x10, 1e2, 007, '1', \"true\", 'null', 'é', \"\\e\"]",
    "|",
    ">",
    "|2\n      x\n",
];

const KEYS: &[&str] = &[
    "a", "b", "a.b", "c.d", "'a'", "\"b c\"", "1", "true", "~", "é", "x y", "a ", "- a", "? a",
    "&k a", "!!str a", "<<", "a#", "-a", "a:b", "[a]", "{a}", "", ".a", "*a", "a\t", "%a", "x?",
    "x,y",
];

const INDENTS: &[&str] = &["", "", "", "", "  ", "  ", "    ", " ", "\t"];

const SEPARATORS: &[&str] = &[
    ": ", ": ", ": ", ":", ":  ", ":\t", " : ", ":\n", ":\n  ", ": \n    ", " ",
];

const ENDS: &[&str] = &[
    "\n", "\n", "\n", "\n", " \n", " # c\n", "\t\n", "\r\n", "\n\n", "\n# c\n", "\n---\n",
    "\n...\n", "#c\n", "\t# c\n", "",
];

/// Pieces of YAML in any order: mostly not YAML.
pub(super) fn soup() -> impl Strategy<Value = String> {
    vec(select(PIECES), 1..14).prop_map(|pieces| pieces.concat())
}

/// A few lines of keys and values in every style, well-formed more often than not.
pub(super) fn document() -> impl Strategy<Value = String> {
    let parts = (
        select(INDENTS),
        select(KEYS),
        select(SEPARATORS),
        select(VALUES),
        select(ENDS),
    );
    let line = parts.prop_map(|(indent, key, separator, value, end)| {
        format!("{indent}{key}{separator}{value}{end}")
    });
    vec(line, 1..5).prop_map(|lines| lines.concat())
}

/// One value between two others that are sound.
pub(super) fn framed_value() -> impl Strategy<Value = String> {
    select(VALUES).prop_map(|value| format!("a: 1\nk: {value}\nz: 1\n"))
}

/// Lines of a `flink-conf.yaml`.
pub(super) fn flat_lines() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a", "b.c", ": ", ": ", ":", "\n", "\n", "\r\n", "\r", " ", "\t", "#", "x y", "\"", "'",
        "é", "\u{a0}", "\u{1}", "\u{2028}", "---", "- ", "=", "\u{feff}", "1",
    ]);
    vec(piece, 1..20).prop_map(|pieces| pieces.concat())
}
