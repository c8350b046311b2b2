//! Makes the workers the same Hadoop user as their cluster (`HadoopUserOverlay`).

use super::{Overlay, OverlaySources};

const NAME: &str = "hadoop-user";

/// Reads: `HADOOP_USER_NAME`, else the name of the user that runs the cluster. Ships: nothing.
/// Sets: `HADOOP_USER_NAME`.
pub(super) fn overlay(sources: &OverlaySources<'_>) -> Overlay {
    let given = (sources.environment)("HADOOP_USER_NAME");
    let user = given.or_else(|| sources.user.map(str::to_owned));
    let environment = user
        .map(|user| ("HADOOP_USER_NAME".to_owned(), user))
        .into_iter()
        .collect();
    Overlay {
        name: NAME,
        environment,
        ..Overlay::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::Sources;
    use super::*;

    #[test]
    fn a_given_name_comes_before_the_processs_own() {
        let sources = Sources::new();
        let name = |given| {
            let overlay = sources.with(None, given, overlay);
            overlay.environment.get("HADOOP_USER_NAME").cloned()
        };
        assert_eq!(name(None).as_deref(), Some("runner"));
        assert_eq!(
            name(Some(("HADOOP_USER_NAME", "etl".to_owned()))).as_deref(),
            Some("etl")
        );
    }
}
