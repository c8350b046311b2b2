//! The masters' nodes in ZooKeeper, as data.
//!
//! Owns which of them leads and what it says about itself (libmesos' `src/master/detector` and
//! `src/zookeeper/group.cpp`). Pure.

use serde::Deserialize;

use super::Master;
use crate::version::MasterVersion;
use crate::wire::MasterInfo;
use flugs_net::HostPort;

/// What the names of masters' nodes begin with. Masters before 0.24 wrote another form under
/// `info_`; other nodes hold the registry's replicas.
const LABEL: &str = "json.info_";

/// The leader's node: of those that masters made, the one with the smallest number.
pub(super) fn leader<'a>(children: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
    let numbered = |name: &'a String| {
        let digits = name.strip_prefix(LABEL)?;
        let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| decimal)?;
        Some((number, name.as_str()))
    };
    let first = children.into_iter().filter_map(numbered).min();
    first.map(|(_, name)| name)
}

#[derive(Deserialize)]
struct Port {
    port: Option<u16>,
}

/// The master that a node's data describes; or why it describes none.
pub(super) fn master(data: &[u8]) -> Result<Master, String> {
    let info: MasterInfo = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    let Port { port } = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    let address = info.address.as_ref();
    let ip = address.and_then(|address| address.ip.clone());
    // `address` came with 0.25; before, the port is beside it and `pid` has the numeric address.
    let of_pid = info.pid.as_deref().and_then(|pid| pid.rsplit_once('@'));
    let of_pid = of_pid.and_then(|(_, address)| address.rsplit_once(':'));
    let ip = ip.or_else(|| of_pid.map(|(ip, _)| ip.trim_matches(['[', ']']).to_owned()));
    let named = address.and_then(|address| address.hostname.clone());
    let host = [named, info.hostname.clone(), ip.clone()];
    let usable = |host: &String| !host.is_empty() && !host.contains(['/', '@', ' ']);
    let host = host.into_iter().flatten().find(usable);
    let port = address
        .and_then(|address| u16::try_from(address.port).ok())
        .or(port)
        .or_else(|| of_pid.and_then(|(_, port)| port.parse().ok()))
        .filter(|port| *port > 0);
    let (Some(host), Some(port)) = (host, port) else {
        return Err("it has no address".to_owned());
    };
    Ok(Master {
        at: HostPort { host, port },
        address: ip.and_then(|ip| ip.parse().ok()),
        version: info.version.as_deref().and_then(MasterVersion::parse),
    })
}

/// Reads arbitrary data as a master's node, for fuzzing: whoever is found can be asked.
#[doc(hidden)]
pub fn probe(data: &[u8]) -> bool {
    match master(data) {
        Ok(master) => master.at.port > 0 && !master.at.host.is_empty(),
        Err(reason) => !reason.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn leading(names: &[&str]) -> Option<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        leader(&names).map(str::to_owned)
    }

    #[test]
    fn the_smallest_sequence_number_leads_and_other_nodes_are_left_alone() {
        let first = Some("json.info_0000000002".to_owned());
        assert_eq!(
            leading(&[
                "log_replicas",
                "json.info_0000000010",
                "json.info_0000000002"
            ]),
            first
        );
        // A text comparison would find the other one.
        assert_eq!(
            leading(&["json.info_10000000000", "json.info_0000000002"]),
            first
        );
        assert_eq!(
            leading(&[
                "info_0000000001",
                "json.info_",
                "json.info_+3",
                "json.info_x",
                "json.info"
            ]),
            None
        );
        assert_eq!(leading(&[]), None);
    }

    #[test]
    fn the_recorded_nodes_name_their_masters() {
        let recorded = include_str!("../../../../tests/data/mesos/zookeeper.json");
        let nodes: Vec<Value> = serde_json::from_str(recorded).unwrap();
        let names: Vec<String> = nodes
            .iter()
            .filter_map(|node| node["path"].as_str()?.strip_prefix("/mesos/"))
            .map(str::to_owned)
            .collect();
        let path = format!("/mesos/{}", leader(&names).unwrap());
        let node = nodes
            .iter()
            .find(|node| node["path"] == path.as_str())
            .unwrap();
        let master = master(node["data"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(master.at.to_string(), "127.0.0.1:5051");
        assert_eq!(master.address, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(master.version, Some(MasterVersion::new(1, 12)));
    }

    #[test]
    fn masters_are_found_by_what_their_version_wrote() {
        let shown = |data: &str| {
            let master = master(data.as_bytes());
            master.map(|one| format!("{} {:?}", one.at, one.address.map(|ip| ip.to_string())))
        };
        assert_eq!(
            shown(r#"{"id":"m","address":{"hostname":"m1","ip":"192.0.2.1","port":5050}}"#),
            Ok(r#"m1:5050 Some("192.0.2.1")"#.to_owned())
        );
        assert_eq!(
            shown(
                r#"{"id":"m","hostname":"m1","ip":16777343,"pid":"master@192.0.2.1:5051","port":5050}"#
            ),
            Ok(r#"m1:5050 Some("192.0.2.1")"#.to_owned())
        );
        assert_eq!(
            shown(r#"{"id":"m","pid":"master@[2001:db8::1]:5051"}"#),
            Ok(r#"[2001:db8::1]:5051 Some("2001:db8::1")"#.to_owned())
        );
        assert_eq!(shown(r#"{"id":"m"}"#), Err("it has no address".to_owned()));
        assert_eq!(
            shown(r#"{"id":"m","hostname":"m1","port":0}"#),
            Err("it has no address".to_owned())
        );
        shown("\u{a}\u{1}x").unwrap_err();
    }

    proptest! {
        #[test]
        fn any_node_is_a_master_or_refused(
            id in "[a-z]{0,2}",
            hostname in prop::option::of("[a-z/@ ]{0,4}"),
            pid in prop::option::of("[a-z@:0-9\\[\\]]{0,12}"),
            port in prop::option::of(0u32..70_000),
        ) {
            let node = serde_json::json!({"id": id, "hostname": hostname, "pid": pid, "port": port});
            prop_assert!(probe(node.to_string().as_bytes()));
        }
    }
}
