//! Giving back what only starting needed: pages of this program's own file.
//!
//! The kernel maps a program's pages as they are touched, in runs, and with large folios whole
//! stretches at a time; parsing arguments and the document touches most of the file. The loop
//! needs a few pages of it. Those that nobody wrote to are the file's: let go, they come back
//! from the page cache when they are touched again.

use std::fs;

use super::sys;

/// Lets go of the pages of this program's file that cannot have been written to.
pub(super) fn forget_start() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, end) in unwritten(&maps) {
        sys::forget_file_pages(start, end);
    }
}

/// The ranges of code and of constants of the first file in `/proc/self/maps`, which is the
/// program's own.
///
/// Constants that the loader wrote to (relocations) are mapped read-only afterwards and must stay:
/// they follow the code, while the others are before it.
fn unwritten(maps: &str) -> Vec<(usize, usize)> {
    let lines = || maps.lines().filter_map(parse);
    let Some(own) = lines()
        .map(|line| line.file)
        .find(|file| file.starts_with('/'))
    else {
        return Vec::new();
    };
    let own_lines: Vec<Line<'_>> = lines().filter(|line| line.file == own).collect();
    let Some(code) = own_lines
        .iter()
        .rposition(|line| line.permissions == "r-xp")
    else {
        return Vec::new();
    };
    own_lines
        .iter()
        .take(code + 1)
        .filter(|line| line.permissions == "r-xp" || line.permissions == "r--p")
        .map(|line| (line.start, line.end))
        .collect()
}

struct Line<'a> {
    start: usize,
    end: usize,
    permissions: &'a str,
    file: &'a str,
}

/// One line of `/proc/PID/maps`: `start-end perms offset device inode file`.
fn parse(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    Some(Line {
        start: usize::from_str_radix(start, 16).ok()?,
        end: usize::from_str_radix(end, 16).ok()?,
        permissions: words.next()?,
        file: words.nth(3).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_constants_before_it_are_let_go_and_nothing_that_was_written_to() {
        let maps = "\
            5555-6666 rw-p 00000000 00:00 0 [heap]\n\
            7000-8000 r--p 00000000 fe:00 10 /bin/flugs\n\
            8000-9000 r-xp 00001000 fe:00 10 /bin/flugs\n\
            9000-a000 r--p 00002000 fe:00 10 /bin/flugs\n\
            a000-b000 rw-p 00003000 fe:00 10 /bin/flugs\n\
            c000-d000 r-xp 00000000 fe:00 11 /lib/libc.so\n";
        assert_eq!(unwritten(maps), [(0x7000, 0x8000), (0x8000, 0x9000)]);
        assert!(unwritten("").is_empty());
        assert!(unwritten("garbage\n-\n1-2 r-xp\n").is_empty());
    }

    #[test]
    fn the_program_goes_on_after_letting_go() {
        forget_start();
        assert_eq!(format!("{:?}", (1, "still here")), "(1, \"still here\")");
    }
}
