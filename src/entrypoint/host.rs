//! This host's full name, as `hostname -f` says it, without a name service.

/// The name under which others find this host: the first name of the line of `/etc/hosts` that
/// has `host_name`, which is where container engines and Kubernetes write it; else `host_name`.
pub fn canonical_host_name(host_name: &str, hosts: &str) -> String {
    let names = hosts.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address: std::net::IpAddr = words.next()?.parse().ok()?;
        let names: Vec<&str> = words.collect();
        // A loopback line (Debian's 127.0.1.1) names a host that nobody else reaches that way.
        let found = !address.is_loopback() && names.contains(&host_name);
        found.then(|| names.first().copied()).flatten()
    });
    names.into_iter().next().unwrap_or(host_name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_gives_the_full_name() {
        let kubernetes = "127.0.0.1 localhost\n10.1.2.3\tjm-0.jm.flink.svc.cluster.local\tjm-0\n";
        assert_eq!(
            canonical_host_name("jm-0", kubernetes),
            "jm-0.jm.flink.svc.cluster.local"
        );
        let docker = "::1 localhost ip6-localhost\n172.17.0.2 4f0e # jm\n";
        assert_eq!(canonical_host_name("4f0e", docker), "4f0e");
    }

    #[test]
    fn without_a_line_or_with_a_loopback_one_the_name_stays() {
        for hosts in [
            "",
            "127.0.1.1 box.example box\n",
            "# 1.2.3.4 box.example box\n",
            "x box",
        ] {
            assert_eq!(canonical_host_name("box", hosts), "box");
        }
    }
}
