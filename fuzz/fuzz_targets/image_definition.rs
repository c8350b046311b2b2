//! An image definition of arbitrary text: read, or refused with the file named and a reason.

use std::path::Path;

use flugs::image::Definition;

pub(crate) fn run(bytes: &[u8]) {
    let path = Path::new("images/fuzz.yaml");
    if let Err(error) = Definition::parse(crate::text(bytes), path) {
        assert!(
            error.to_string().starts_with("images/fuzz.yaml:"),
            "{error}"
        );
    }
}
