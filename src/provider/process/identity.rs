//! Telling a process from a later one with the same number.

use std::fs;

use flugs_model::ProcessIdentity;

/// The identity of a running process (or of an unreaped child), or `None` if there is none.
pub fn identify(pid: i32) -> Option<ProcessIdentity> {
    let (start_ticks, _) = stat(pid)?;
    Some(ProcessIdentity { pid, start_ticks })
}

/// Whether that very process still runs. A zombie does not: it only waits to be reaped.
pub fn is_alive(process: ProcessIdentity) -> bool {
    stat(process.pid).is_some_and(|(start_ticks, state)| {
        start_ticks == process.start_ticks && !matches!(state, 'Z' | 'X')
    })
}

/// Start time and state of a process (`proc_pid_stat(5)`, fields 22 and 3).
fn stat(pid: i32) -> Option<(u64, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 2 is the program's name in parentheses and may hold anything, so count from its end.
    let (_, after_name) = text.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((start_ticks, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_earlier_one_with_its_number_is_not() {
        let own = identify(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.start_ticks > 0);
        assert!(is_alive(own));
        assert!(!is_alive(ProcessIdentity {
            start_ticks: own.start_ticks - 1,
            ..own
        }));
        assert_eq!(identify(i32::MAX), None);
    }
}
