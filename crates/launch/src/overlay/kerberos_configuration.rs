//! Ships Kerberos' own configuration (`Krb5ConfOverlay`).

use super::{Overlay, OverlayError, OverlaySources, named_file};
use flugs_base::RelativePath;

const NAME: &str = "kerberos-configuration";
const OPTION: &str = "security.kerberos.krb5-conf.path";

/// Reads: the file that `security.kerberos.krb5-conf.path` names. Ships: that file, to
/// `krb5.conf`. Sets: the same option, and the JVM's `java.security.krb5.conf`, which is what
/// counts: Flink's standalone processes do not read the option. The property goes into `JVM_ARGS`
/// behind what is there.
pub(super) fn overlay(sources: &OverlaySources<'_>) -> Result<Overlay, OverlayError> {
    let Some(value) = (sources.configuration)(OPTION) else {
        return Ok(Overlay::default());
    };
    let dest = RelativePath::literal("krb5.conf");
    let property = format!("-Djava.security.krb5.conf={dest}");
    let arguments = match (sources.environment)("JVM_ARGS") {
        Some(given) => format!("{given} {property}"),
        None => property,
    };
    let file = named_file(NAME, OPTION, &value, dest.clone())?;
    Ok(Overlay {
        name: NAME,
        // It holds the addresses of servers and no secret.
        files: vec![super::OverlayFile {
            mode: 0o644,
            secret: false,
            ..file
        }],
        properties: [(OPTION.to_owned(), dest.to_string())].into(),
        environment: [("JVM_ARGS".to_owned(), arguments)].into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::{Sources, shipped};
    use super::*;

    #[test]
    fn the_jvm_is_told_and_arguments_that_were_there_stay() {
        let sources = Sources::new();
        sources.write("krb5.conf");
        let option = || Some((OPTION, sources.path("krb5.conf")));
        for (given, expected) in [
            (None, "-Djava.security.krb5.conf=krb5.conf"),
            (
                Some("-Xlog:gc"),
                "-Xlog:gc -Djava.security.krb5.conf=krb5.conf",
            ),
        ] {
            let given = given.map(|value| ("JVM_ARGS", value.to_owned()));
            let overlay = sources.with(option(), given, overlay).unwrap();
            assert_eq!(shipped(&overlay), ["krb5.conf"]);
            assert_eq!(overlay.environment["JVM_ARGS"], expected);
        }
    }
}
