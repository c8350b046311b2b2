//! Sets the loopback interface of a new network namespace up: it has no other, and is born down.
//!
//! One message of rtnetlink(7), since there is no program here that could be asked.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// `RTM_NEWLINK` of linux/rtnetlink.h.
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK` of linux/netlink.h.
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
/// `NLMSG_ERROR`: also an acknowledgement, with 0 as the error.
const ERROR: u16 = 2;
/// `IFF_UP` of linux/if.h.
const UP: u32 = 1;
/// The loopback interface's number in every network namespace.
const LOOPBACK: i32 = 1;

pub(super) fn set_up() -> io::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let kernel = NetlinkAddr::new(0, 0);
    let socket = socket.as_raw_fd();
    sendto(socket, &request(), &kernel, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(socket, &mut answer, MsgFlags::empty())?;
    judge(answer.get(..length).unwrap_or_default())
}

/// `struct nlmsghdr` and `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    // Sequence and sender: the one message of a socket needs neither.
    message.extend([0; 8]);
    // Family, padding and kind of the interface: any.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    // Which of the flags are meant.
    message.extend(UP.to_ne_bytes());
    message
}

/// What the kernel answers: `struct nlmsghdr`, then a negative error or 0.
fn judge(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
    match (kind.map(u16::from_ne_bytes), code.map(i32::from_ne_bytes)) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(code)) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        _ => Err(io::Error::other("the kernel's answer is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32) -> Vec<u8> {
        let mut answer = 36_u32.to_ne_bytes().to_vec();
        answer.extend(ERROR.to_ne_bytes());
        answer.extend([0; 10]);
        answer.extend(code.to_ne_bytes());
        answer
    }

    #[test]
    fn an_acknowledgement_is_an_error_of_zero() {
        assert!(judge(&answer(0)).is_ok());
        let refused = judge(&answer(-1)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        assert!(judge(&[]).is_err());
    }

    #[test]
    fn the_request_is_as_long_as_it_says() {
        assert_eq!(request().len(), 32);
    }
}
