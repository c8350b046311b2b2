//! What is done once, before the program is first started: resource limits.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::error::SuperviseError;
use super::supervision::{LimitValue, Limits};

/// Sets the limits for this process; the program inherits them.
pub(super) fn set_limits(limits: &Limits) -> Result<(), SuperviseError> {
    if let Some(value) = limits.open_files {
        set("open files (RLIMIT_NOFILE)", Resource::RLIMIT_NOFILE, value)?;
    }
    if let Some(value) = limits.core_size {
        set("core size (RLIMIT_CORE)", Resource::RLIMIT_CORE, value)?;
    }
    Ok(())
}

/// Finds out whether the limits can be set, and leaves them as they are.
pub(super) fn try_limits(limits: &Limits) -> Result<(), SuperviseError> {
    let before = [Resource::RLIMIT_NOFILE, Resource::RLIMIT_CORE]
        .map(|resource| (resource, getrlimit(resource)));
    let tried = set_limits(limits);
    for (resource, found) in before {
        if let Ok((soft, hard)) = found {
            // Neither is higher than what this process may have.
            let _ = setrlimit(resource, soft, hard);
        }
    }
    tried
}

fn set(limit: &'static str, resource: Resource, value: LimitValue) -> Result<(), SuperviseError> {
    let failed = |wanted: String| {
        move |errno: nix::errno::Errno| SuperviseError::Limit {
            limit,
            wanted,
            error: io::Error::from(errno),
        }
    };
    let (_, hard) = getrlimit(resource).map_err(failed("any value".to_owned()))?;
    let (soft, hard, wanted) = match value {
        LimitValue::Hard => (hard, hard, "its hard limit".to_owned()),
        LimitValue::Unlimited => (
            libc::RLIM_INFINITY,
            libc::RLIM_INFINITY,
            "unlimited".to_owned(),
        ),
        LimitValue::Value(value) => (value, hard.max(value), value.to_string()),
    };
    setrlimit(resource, soft, hard).map_err(failed(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_the_kernel_refuses_is_named_with_its_value() {
        // fs.nr_open bounds RLIMIT_NOFILE, for root as well.
        let error = set(
            "open files (RLIMIT_NOFILE)",
            Resource::RLIMIT_NOFILE,
            LimitValue::Value(u64::MAX - 1),
        )
        .unwrap_err();
        assert!(error.to_string().contains("open files"), "{error}");
        assert!(
            error.to_string().contains("18446744073709551614"),
            "{error}"
        );
    }

    #[test]
    fn limits_that_are_not_given_are_left_alone() {
        let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        set_limits(&Limits::default()).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), before);
    }
}
