//! How much memory the process of a launch gets.

use flugs_flink::FlinkVersion;
use flugs_flink::memory::{self, LeastLimit, MemoryError, MemoryPlan, MemorySize};
use flugs_flink_conf::{Configuration, Layer, Origin};
use flugs_model::Role;

use super::image::shipped_size;
use super::{ImageTerms, LaunchError, LaunchRequest};

/// The container's limit, which is the process's size, is too small for Flink.
#[derive(Debug, thiserror::Error)]
#[error(
    "the container is limited to {limit}, which is too small for a {role} with these settings: \
     raise the limit to at least {} (docker run --memory {}m{}), or set {key} yourself (in \
     FLINK_PROPERTIES, or with -D); the official image looks at no limit: it would start with the \
     configured size ({shipped} as shipped), and the kernel would kill it as soon as it used more \
     than {limit}",
    least.sensible,
    least.sensible.bytes() >> 20,
    smaller(least)
)]
pub struct LimitTooSmall {
    /// What is launched.
    pub role: Role,
    /// The limit.
    pub limit: MemorySize,
    /// What it has to be.
    pub least: LeastLimit,
    /// The option that goes before the limit.
    pub key: String,
    /// That option's value in the configuration that Flink ships.
    pub shipped: &'static str,
    /// What the memory model says of the limit.
    pub source: MemoryError,
}

/// What Flink takes, but nobody should.
fn smaller(least: &LeastLimit) -> String {
    if least.possible == least.sensible {
        return String::new();
    }
    let possible = least.possible;
    format!("; Flink takes {possible}, which leaves less heap than it recommends")
}

/// Derives the memory of the process. Where no size is set and the container has a limit, the
/// limit is the process's size.
pub(super) fn plan(
    request: &LaunchRequest,
    version: &FlinkVersion,
    configuration: &mut Configuration,
) -> Result<MemoryPlan, LaunchError> {
    let environment = |name: &str| request.variable(name).map(str::to_owned);
    let limit = request.memory_limit().and_then(MemorySize::of_bytes);
    let whole = limit.and_then(|limit| {
        let lookup = |key: &str| {
            let setting = configuration.setting(key)?;
            let is_wish = request.image.is_none() || !ImageTerms::is_shipped(key, setting);
            is_wish.then(|| setting.value.clone())
        };
        memory::process_size_from_container(request.role, limit, &lookup, &environment)
    });
    if let Some(property) = &whole {
        let origin = Origin::from_source(Layer::Derived, "the container's memory limit");
        configuration.set(&property.key, &property.value, origin);
    }
    let lookup = |key: &str| configuration.get(key).map(str::to_owned);
    let planned = memory::derive(request.role, version, &lookup, &environment);
    planned.map_err(|source| {
        let Some((limit, property)) = limit.zip(whole) else {
            return source.into();
        };
        let least = memory::least_limit(request.role, version, limit, &lookup, &environment);
        match least.zip(shipped_size(&property.key)) {
            Some((least, shipped)) => Box::new(LimitTooSmall {
                role: request.role,
                limit,
                least,
                key: property.key,
                shipped,
                source,
            })
            .into(),
            None => source.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostFacts;
    use flugs_base::Failure as _;
    use flugs_flink_conf::ConsoleLayout;
    use flugs_model::WorkerId;

    fn planned(
        role: Role,
        mebibytes: u64,
        settings: &[(&str, &str)],
    ) -> Result<MemoryPlan, LaunchError> {
        let request = LaunchRequest {
            role,
            worker_id: WorkerId::of(role, None),
            flink_home: "/opt/flink".into(),
            sandbox: "/sandbox".into(),
            manifest: None,
            properties: Vec::new(),
            arguments: Vec::new(),
            log_layout: ConsoleLayout::AsConfigured,
            environment: [].into(),
            host: HostFacts {
                memory_limit: Some(mebibytes << 20),
                ..HostFacts::default()
            },
            image: None,
        };
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::FlinkProperties));
        }
        plan(&request, &FlinkVersion::new(2, 3, 0), &mut configuration)
    }

    #[test]
    fn a_limit_that_is_too_small_is_named_with_both_ways_out_and_what_the_official_image_does() {
        let error = planned(Role::TaskManager, 768, &[]).unwrap_err();
        insta::assert_snapshot!(error, @"the container is limited to 768 MiB, which is too small for a taskmanager with these settings: raise the limit to at least 982 MiB (docker run --memory 982m), or set taskmanager.memory.process.size yourself (in FLINK_PROPERTIES, or with -D); the official image looks at no limit: it would start with the configured size (1728m as shipped), and the kernel would kill it as soon as it used more than 768 MiB");
        let small = planned(Role::JobManager, 400, &[]).unwrap_err();
        assert!(
            small
                .to_string()
                .contains("--memory 704m; Flink takes 577 MiB"),
            "{small}"
        );
        assert_eq!(small.exit_code(), error.exit_code());
        assert!(planned(Role::TaskManager, 982, &[]).is_ok());
        assert!(planned(Role::JobManager, 577, &[]).is_ok());
    }

    #[test]
    fn a_size_that_somebody_set_goes_before_the_limit_and_its_faults_are_its_own() {
        let key = "taskmanager.memory.process.size";
        assert!(planned(Role::TaskManager, 768, &[(key, "1728m")]).is_ok());
        let error = planned(Role::TaskManager, 768, &[(key, "700m")]).unwrap_err();
        assert!(matches!(error, LaunchError::Memory(_)), "{error}");
        let hopeless = [("taskmanager.cpu.cores", "0")];
        let error = planned(Role::TaskManager, 2048, &hopeless).unwrap_err();
        assert!(matches!(error, LaunchError::Memory(_)), "{error}");
    }
}
