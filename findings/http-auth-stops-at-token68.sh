#!/usr/bin/env bash
# http-auth 0.1.10 (crates.io), the parser of WWW-Authenticate that Rust clients of registries use.
#
# Guess: of several challenges in one header the one that can be answered is found.
# Seen:  a challenge with a token68 (RFC 9110 section 11.2: `Negotiate YWJj`, as proxies with Kerberos or
#        NTLM send) is an error, and the parser gives nothing of what follows it in that header: a
#        `Bearer` behind it is lost, one before it is found. Two blanks behind a scheme (`1*SP` in the
#        grammar) are an error as well. So headers must not be joined to one list before they are parsed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
http-auth = { version = "=0.1.10", default-features = false }
[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
fn schemes(header: &str) -> Vec<String> {
    http_auth::ChallengeParser::new(header)
        .map(|one| one.map_or("error".to_owned(), |found| found.scheme.to_owned()))
        .collect()
}

fn main() {
    let expected: [(&str, &[&str]); 5] = [
        ("Negotiate, Bearer realm=\"r\"", &["Negotiate", "Bearer"]),
        ("Bearer realm = r , service=\"s\"", &["Bearer"]),
        ("Bearer realm=\"r\", Negotiate YWJj", &["Bearer", "error"]),
        ("Negotiate YWJj, Bearer realm=\"r\"", &["error"]),
        ("Bearer  realm=\"r\"", &["error"]),
    ];
    let mut same = true;
    for (header, schemes_expected) in expected {
        let seen = schemes(header);
        println!("{header:36} {seen:?}");
        same &= seen == schemes_expected;
    }
    std::process::exit(if same { 0 } else { 1 });
}
RUST
cd "$work"
CARGO_TARGET_DIR=$work/target cargo run --quiet
echo 'as stated'
