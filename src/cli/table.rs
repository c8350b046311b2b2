//! Plain aligned tables.

/// Renders rows below a header, columns aligned to the left and two spaces apart. No line ends
/// in white space, and the last has no line break.
pub(super) fn render<const COLUMNS: usize>(
    header: &[&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let rows: Vec<[String; COLUMNS]> = std::iter::once(header.map(str::to_owned))
        .chain(rows)
        .collect();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["taskmanager".into(), "1".into()],
            ["jm".into(), "2345".into()],
        ];
        insta::assert_snapshot!(render(&["ROLE", "PID"], rows), @r"
        ROLE         PID
        taskmanager  1
        jm           2345
        ");
    }
}
