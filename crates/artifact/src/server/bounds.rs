//! How many connections there may be, in all and from one address.
//!
//! At the bound, the connection that has been idle longest makes room: a crowd of idle
//! connections never keeps a worker out. Only if all are at work is the new one refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// Connections in all.
    pub total: usize,
    /// Connections from one address.
    pub per_address: usize,
}

/// Every open connection.
#[derive(Debug)]
pub(super) struct Register {
    bounds: ConnectionBounds,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    idle_since: Option<Instant>,
    evict: Arc<Notify>,
}

/// One connection's entry in the register; leaves it when dropped.
#[derive(Debug)]
pub(super) struct Place {
    register: Arc<Register>,
    number: u64,
    /// Signalled when this connection has to make room.
    pub(super) evict: Arc<Notify>,
}

/// What became of a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    Admitted { place: Place, evicted: bool },
    Refused,
}

impl Register {
    pub(super) fn new(bounds: ConnectionBounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            open: Mutex::default(),
        })
    }

    /// Takes a new connection in, if need be in place of an idle one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, now: Instant) -> Admission {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut evicted = false;
        let from_here = |open: &Open| {
            let same = |one: &&Connection| one.address == address;
            open.connections.values().filter(same).count()
        };
        if from_here(&open) >= self.bounds.per_address {
            if !open.evict_idlest(|one| one.address == address) {
                return Admission::Refused;
            }
            evicted = true;
        }
        if open.connections.len() >= self.bounds.total {
            if !open.evict_idlest(|_| true) {
                return Admission::Refused;
            }
            evicted = true;
        }
        let number = open.next;
        open.next += 1;
        let evict = Arc::new(Notify::new());
        open.connections.insert(
            number,
            Connection {
                address,
                idle_since: Some(now),
                evict: Arc::clone(&evict),
            },
        );
        let place = Place {
            register: Arc::clone(self),
            number,
            evict,
        };
        Admission::Admitted { place, evicted }
    }
}

impl Open {
    fn evict_idlest(&mut self, eligible: impl Fn(&Connection) -> bool) -> bool {
        let idlest = self
            .connections
            .iter()
            .filter(|(_, one)| eligible(one))
            .filter_map(|(number, one)| Some((one.idle_since?, *number)))
            .min();
        let Some(evicted) = idlest.and_then(|(_, number)| self.connections.remove(&number)) else {
            return false;
        };
        evicted.evict.notify_one();
        true
    }
}

impl Place {
    /// Notes that the connection waits for a request since `since`, or (`None`) is at work.
    /// Gives whether it still has its place.
    pub(super) fn set_idle(&self, since: Option<Instant>) -> bool {
        let mut open = self
            .register
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match open.connections.get_mut(&self.number) {
            Some(connection) => {
                connection.idle_since = since;
                true
            }
            None => false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .register
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    fn admit(register: &Arc<Register>, from: u8, at: Instant) -> Option<(Place, bool)> {
        match register.admit(address(from), at) {
            Admission::Admitted { place, evicted } => Some((place, evicted)),
            Admission::Refused => None,
        }
    }

    #[test]
    fn at_the_bound_the_longest_idle_makes_room() {
        let register = Register::new(ConnectionBounds {
            total: 10,
            per_address: 2,
        });
        let start = Instant::now();
        let (first, _) = admit(&register, 1, start).unwrap();
        let (second, _) = admit(&register, 1, start + Duration::from_secs(1)).unwrap();
        let (_third, evicted) = admit(&register, 1, start + Duration::from_secs(2)).unwrap();
        assert!(evicted);
        assert!(!first.set_idle(None), "it has lost its place");
        assert!(second.set_idle(None));
    }

    #[test]
    fn one_address_at_its_bound_leaves_others_alone() {
        let register = Register::new(ConnectionBounds {
            total: 10,
            per_address: 1,
        });
        let now = Instant::now();
        let (busy, _) = admit(&register, 1, now).unwrap();
        busy.set_idle(None);
        assert!(admit(&register, 1, now).is_none(), "all at work");
        assert!(admit(&register, 2, now).is_some());
        drop(busy);
        assert!(admit(&register, 1, now).is_some());
    }

    #[test]
    fn the_total_bound_evicts_across_addresses() {
        let register = Register::new(ConnectionBounds {
            total: 2,
            per_address: 2,
        });
        let now = Instant::now();
        let (idle, _) = admit(&register, 1, now).unwrap();
        let (busy, _) = admit(&register, 2, now).unwrap();
        busy.set_idle(None);
        let (_new, evicted) = admit(&register, 3, now).unwrap();
        assert!(evicted && !idle.set_idle(None) && busy.set_idle(None));
    }
}
