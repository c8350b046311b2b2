//! How whoever asks inside a container finds the supervisors that run there.
//!
//! A health check of an image knows neither which command the container runs, nor as whom, nor
//! which of its directories can be written to. So a supervisor listens under an abstract name as
//! well, made of the container's mount namespace and its own process id: that takes no file and no
//! permission, is gone with its process, and is another one in each container also where they
//! share the host's network. Whoever else takes such a name is found out: the kernel says which
//! process listens.
//!
//! A launch that has not become its supervisor yet has a name of its own, where nobody answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket};

use super::super::descendants::processes;
use super::status::{StatusError, verdict_of};

/// Of the namespaces that a machine starts with, the numbers are the same everywhere
/// (`PROC_PID_INIT_INO`; for mounts `MNT_NS_INIT_INO` from Linux 6.18 on, before that the first
/// ones that were given out).
const FIRST_PROCESSES: u64 = 4_026_531_836;
const FIRST_MOUNTS: [u64; 3] = [4_026_531_832, 4_026_531_840, 4_026_531_841];

/// What the engines leave in a container's root.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// The first process of a namespace.
const FIRST: i32 = 1;

/// The inode that stands for a namespace of this process; 0 where the kernel does not tell.
fn namespace(kind: &str) -> u64 {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
    let text = link.to_str().unwrap_or_default();
    let digits = text.split_once('[').map_or("", |(_, rest)| rest);
    digits.trim_end_matches(']').parse().unwrap_or_default()
}

/// Whether this process's ids are a container's own.
fn has_own_processes() -> bool {
    namespace("pid") != FIRST_PROCESSES
}

/// Whether this process is in a container.
pub fn is_container() -> bool {
    let has_own_root = || {
        !FIRST_MOUNTS.contains(&namespace("mnt"))
            && MARKS.iter().any(|mark| Path::new(mark).exists())
    };
    has_own_processes() || has_own_root()
}

/// What a process is found as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Launch,
    Supervisor,
}

impl Found {
    fn name(self, pid: i32) -> String {
        let what = match self {
            Self::Launch => "launch",
            Self::Supervisor => "supervisor",
        };
        format!("flugs/{what}/{}/{pid}", namespace("mnt"))
    }

    fn address(self, pid: i32) -> Option<SocketAddr> {
        SocketAddr::from_abstract_name(self.name(pid)).ok()
    }
}

/// Lets this process be found as a launch that is under way, for as long as the descriptor is
/// open. `None` outside of a container, or if it cannot be: that must not keep it from starting.
pub fn announce_launch() -> Option<OwnedFd> {
    if !is_container() {
        return None;
    }
    let address = Found::Launch.address(own_pid())?;
    UnixDatagram::bind_addr(&address).ok().map(Into::into)
}

/// Listens for those who ask inside this container. `None` as with [`announce_launch`].
pub fn listen_in_container() -> Option<UnixListener> {
    if !is_container() {
        return None;
    }
    let address = Found::Supervisor.address(own_pid())?;
    let listener = UnixListener::bind_addr(&address).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Asks everybody who answers for this container for `path`; nobody, if nothing in it is checked.
///
/// What was started beside the container's own command (`docker exec`) does not answer for it, nor
/// does a supervisor below another one.
pub fn ask_container(path: &str, timeout: Duration) -> Vec<Result<String, StatusError>> {
    let parents: BTreeMap<i32, i32> = processes().collect();
    let found: BTreeMap<i32, Presence> = parents
        .keys()
        .filter_map(|pid| Some((*pid, Presence::of(*pid)?)))
        .collect();
    let pids = found.keys().copied().collect();
    let responsible = responsible(&parents, &pids, has_own_processes());
    found
        .into_iter()
        .filter(|(pid, _)| responsible.contains(pid))
        .map(|(pid, presence)| presence.ask(pid, path, timeout))
        .collect()
}

/// Of the processes that were found, those that answer for the container: started by its first
/// process, and below no other that was found.
fn responsible(
    parents: &BTreeMap<i32, i32>,
    found: &BTreeSet<i32>,
    has_own_processes: bool,
) -> BTreeSet<i32> {
    let is_responsible = |pid: &&i32| {
        let mut at = **pid;
        // No more steps than there are processes: ids may have been given out anew meanwhile.
        for _ in 0..=parents.len() {
            if at == FIRST {
                return true;
            }
            match parents.get(&at) {
                // Its parent is outside of the namespace: somebody entered the container.
                Some(0) => return !has_own_processes,
                Some(parent) if found.contains(parent) => return false,
                Some(parent) => at = *parent,
                None => return true,
            }
        }
        true
    };
    found.iter().filter(is_responsible).copied().collect()
}

/// How a process was found.
#[derive(Debug)]
enum Presence {
    Launch,
    Supervisor(UnixStream),
    /// It listens, and so many wait that nobody more can.
    Busy,
}

impl Presence {
    fn of(pid: i32) -> Option<Self> {
        match reach(pid) {
            Ok(stream) => return Some(Self::Supervisor(stream)),
            Err(Errno::EAGAIN) => return Some(Self::Busy),
            Err(_) => {}
        }
        let address = Found::Launch.address(pid)?;
        let there = UnixDatagram::unbound().and_then(|one| one.connect_addr(&address));
        there.is_ok().then_some(Self::Launch)
    }

    fn ask(self, pid: i32, path: &str, timeout: Duration) -> Result<String, StatusError> {
        let silent = |error| StatusError::Silent { pid, error };
        match self {
            Self::Supervisor(stream) => {
                let answer = exchange(stream, path, timeout).map_err(silent)?;
                verdict_of(&answer)
            }
            Self::Busy => Err(silent(Errno::EAGAIN.into())),
            Self::Launch if path == "/healthz" => Ok(format!("process {pid} is being launched")),
            Self::Launch => Err(StatusError::Launching { pid }),
        }
    }
}

/// Connects to a process's supervisor, if that is who listens.
fn reach(pid: i32) -> Result<UnixStream, Errno> {
    let address = UnixAddr::new_abstract(Found::Supervisor.name(pid).as_bytes())?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(fd.as_raw_fd(), &address)?;
    if getsockopt(&fd, PeerCredentials)?.pid() != pid {
        return Err(Errno::ECONNREFUSED);
    }
    Ok(UnixStream::from(fd))
}

fn exchange(mut stream: UnixStream, path: &str, timeout: Duration) -> std::io::Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(timeout))?;
    let request = super::status::request(path);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chosen(table: &[(i32, i32)], found: &[i32], own: bool) -> Vec<i32> {
        let parents = table.iter().copied().collect();
        let found = found.iter().copied().collect();
        responsible(&parents, &found, own).into_iter().collect()
    }

    #[test]
    fn the_containers_own_command_answers_and_what_was_started_beside_it_does_not() {
        let table = [(1, 0), (7, 1), (40, 0), (41, 40)];
        assert_eq!(chosen(&table, &[1, 40, 41], true), [1]);
        assert_eq!(chosen(&table, &[41], true), [0_i32; 0]);
    }

    #[test]
    fn below_a_shell_each_launch_answers_and_below_a_supervisor_only_that_one() {
        // A shell that runs a JobManager and a TaskManager.
        let shell = [(1, 0), (2, 1), (3, 2), (4, 2), (5, 4)];
        assert_eq!(chosen(&shell, &[3, 4], true), [3, 4]);
        // An application master and its JobManager.
        assert_eq!(chosen(&shell, &[1, 2, 4], true), [1]);
        // An engine's own init, and a launch below it.
        assert_eq!(chosen(&[(1, 0), (7, 1), (9, 7)], &[7], true), [7]);
    }

    #[test]
    fn among_the_hosts_processes_nobody_is_taken_for_an_intruder() {
        let table = [(2, 0), (300, 299), (301, 300)];
        assert_eq!(chosen(&table, &[2, 300, 301], false), [2, 300]);
    }

    #[test]
    fn a_name_belongs_to_the_process_that_listens_under_it() {
        let pid = own_pid();
        let address = Found::Supervisor.address(pid).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        reach(pid).unwrap();
        drop(listener);
        assert_eq!(reach(pid).unwrap_err(), Errno::ECONNREFUSED);
        // Somebody else's name: what listens there is this process.
        let other = i32::MAX - pid;
        let stolen = Found::Supervisor.address(other).unwrap();
        let _thief = UnixListener::bind_addr(&stolen).unwrap();
        assert_eq!(reach(other).unwrap_err(), Errno::ECONNREFUSED);
    }

    #[test]
    fn a_launch_under_way_is_well_and_not_ready() {
        let pid = own_pid();
        let address = Found::Launch.address(pid).unwrap();
        let announced = UnixDatagram::bind_addr(&address).unwrap();
        let ask = |path| Presence::of(pid).unwrap().ask(pid, path, Duration::ZERO);
        assert!(ask("/healthz").is_ok());
        let error = ask("/readyz").unwrap_err();
        assert!(matches!(error, StatusError::Launching { .. }), "{error}");
        drop(announced);
        assert!(Presence::of(pid).is_none());
    }

    proptest! {
        #[test]
        fn any_table_even_a_cyclic_one_ends(
            table in prop::collection::vec((0_i32..9, 0_i32..9), 0..30),
            found in prop::collection::vec(0_i32..9, 0..9),
        ) {
            let chosen = chosen(&table, &found, true);
            prop_assert!(chosen.iter().all(|pid| found.contains(pid)));
        }
    }
}
