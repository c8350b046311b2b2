//! The table in `docs/exit-codes.md` and the codes in the program are one.

use flugs_base::ExitCode;

const DOCUMENT: &str = include_str!("../docs/exit-codes.md");

#[test]
fn every_exit_code_has_its_row_and_every_row_its_code() {
    let documented: Vec<(u8, String)> = DOCUMENT
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let code = cells.next()?.parse().ok()?;
            Some((code, cells.next()?.trim_matches('`').to_owned()))
        })
        .collect();
    let coded: Vec<(u8, String)> = ExitCode::ALL
        .iter()
        .map(|code| (code.code(), format!("{code:?}")))
        .collect();
    assert_eq!(documented, coded);
}
