//! Whom containers run as, and who that is outside of them: an engine may have user namespaces of its
//! own.

use std::path::Path;

use bollard::models::SystemInfo;

use crate::provider::ProviderError;

/// The user of the images, whom containers run as if `up` runs as root.
const IMAGE_USER: u32 = 9999;

/// What an engine's `info` says of users, among its security options.
const REMAPPED: &str = "userns";
const ROOTLESS: &str = "rootless";

/// How an engine takes the users of its containers for users of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserMapping {
    /// As the same ones.
    Same,
    /// As others (`userns-remap`): a container's root is this user and this group, and so on from
    /// there.
    From {
        /// The user that is root inside.
        user: u32,
        /// The group that is root's inside.
        group: u32,
    },
}

/// A user and a group as the two sides see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerUser {
    /// In the container.
    pub inside: (u32, u32),
    /// On this machine: whom the container's files belong to.
    pub outside: (u32, u32),
}

impl UserMapping {
    /// Reads an engine's `info`.
    ///
    /// # Errors
    /// [`ProviderError::Rootless`] for an engine whose containers cannot reach this machine, and
    /// [`ProviderError::UnknownUsers`] if it does not say who its users are.
    pub(super) fn of(info: &SystemInfo) -> Result<Self, ProviderError> {
        let options = info.security_options.iter().flatten();
        let mut names = options.filter_map(|option| name_of(option));
        if names.clone().any(|name| name == ROOTLESS) {
            return Err(ProviderError::Rootless);
        }
        if !names.any(|name| name == REMAPPED) {
            return Ok(Self::Same);
        }
        let root = info.docker_root_dir.as_deref().unwrap_or_default();
        let (user, group) = owner_of(root).ok_or_else(|| ProviderError::UnknownUsers {
            root: root.to_owned(),
        })?;
        Ok(Self::From { user, group })
    }

    /// The user that a cluster's containers run as: whoever runs `up`, so that the logs are theirs,
    /// but never root.
    ///
    /// # Errors
    /// [`ProviderError::OthersFiles`] if that takes giving files to somebody else, which only root may.
    pub fn container_user(self) -> Result<ContainerUser, ProviderError> {
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        self.user_for(user.as_raw(), group.as_raw())
    }

    fn user_for(self, user: u32, group: u32) -> Result<ContainerUser, ProviderError> {
        let is_root = user == 0;
        let inside = if is_root {
            (IMAGE_USER, IMAGE_USER)
        } else {
            (user, group)
        };
        let outside = match self {
            Self::Same => inside,
            Self::From { user, group } if is_root => (
                user.saturating_add(inside.0),
                group.saturating_add(inside.1),
            ),
            Self::From { user: root, .. } => return Err(ProviderError::OthersFiles { root }),
        };
        Ok(ContainerUser { inside, outside })
    }
}

/// The name in a security option: `name=seccomp,profile=default`; before API 1.25 the name alone.
fn name_of(option: &str) -> Option<&str> {
    let first = option.split(',').next()?;
    Some(first.strip_prefix("name=").unwrap_or(first))
}

/// Who is root in containers: an engine that remaps users has a directory for each such user and
/// group below its own (moby/moby, `daemon/daemon_unix.go`: `setupDaemonRoot`).
fn owner_of(root: &str) -> Option<(u32, u32)> {
    let name = Path::new(root).file_name()?.to_str()?;
    let (user, group) = name.split_once('.')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(root: &str, options: &[&str]) -> SystemInfo {
        SystemInfo {
            docker_root_dir: Some(root.to_owned()),
            security_options: Some(options.iter().map(|&one| one.to_owned()).collect()),
            ..SystemInfo::default()
        }
    }

    const SECCOMP: &str = "name=seccomp,profile=default";

    #[test]
    fn an_engine_without_user_namespaces_knows_the_users_of_this_machine() {
        for options in [&[][..], &[SECCOMP, "name=cgroupns", "name=apparmor"]] {
            let found = UserMapping::of(&info("/var/lib/docker", options)).unwrap();
            assert_eq!(found, UserMapping::Same);
        }
        let root = UserMapping::Same.user_for(0, 0).unwrap();
        assert_eq!((root.inside, root.outside), ((9999, 9999), (9999, 9999)));
        let somebody = UserMapping::Same.user_for(1000, 100).unwrap();
        assert_eq!(somebody.outside, (1000, 100));
    }

    #[test]
    fn an_engine_that_remaps_users_has_files_of_the_users_that_it_maps_to() {
        for options in [[SECCOMP, "name=userns"], ["seccomp", "userns"]] {
            let found = UserMapping::of(&info("/srv/docker/100000.200000", &options)).unwrap();
            let root = found.user_for(0, 0).unwrap();
            assert_eq!(root.inside, (9999, 9999));
            assert_eq!(root.outside, (109_999, 209_999));
            let error = found.user_for(1000, 1000).unwrap_err();
            insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"the Docker engine remaps the users of its containers (userns-remap; their root is user 100000 here), and only root can give files to them: run `flugs up` as root, use an engine without userns-remap (DOCKER_HOST), or no containers (--on process)");
            }
        }
        let error = UserMapping::of(&info("/var/lib/docker", &["name=userns"])).unwrap_err();
        assert!(error.to_string().contains("/var/lib/docker"), "{error}");
    }

    #[test]
    fn a_rootless_engine_is_refused_with_the_reason_and_the_way_out() {
        let options = [SECCOMP, "name=rootless", "name=cgroupns"];
        let error = UserMapping::of(&info("/home/a/.local/share/docker", &options)).unwrap_err();
        insta::assert_snapshot!(error, @"the Docker engine is rootless: its networks are in a namespace of their own, where containers do not reach the artifact server of this machine. Use an engine of root's (DOCKER_HOST), or no containers (--on process)");
    }

    proptest! {
        #[test]
        fn any_answer_is_read(root in ".{0,40}", option in ".{0,20}") {
            let _ = UserMapping::of(&info(&root, &[&option, "name=userns"]));
        }
    }
}
