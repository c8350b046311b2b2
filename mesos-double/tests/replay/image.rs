//! The image that recorded containers are run from here: busybox in place of Debian.

use std::path::Path;
use std::process::{Command, Stdio};

const NAME: &str = "mesos-double-test:busybox";

/// Makes the image if it is not there.
pub(crate) fn busybox_image() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    run(
        &root.join("tools/dockerd.sh").display().to_string(),
        "bash \"$0\"",
    );
    let make = r#"
        docker image inspect "$0" >/dev/null 2>&1 && exit 0
        set -e
        directory=$(mktemp -d)
        trap 'rm -rf "$directory"' EXIT
        mkdir -p "$directory/bin" "$directory/etc" "$directory/root" "$directory/tmp"
        cp /bin/busybox "$directory/bin/busybox"
        for name in $("$directory/bin/busybox" --list | grep -v '^busybox$'); do
            ln -sf busybox "$directory/bin/$name"
        done
        echo 'root:x:0:0:root:/root:/bin/sh' >"$directory/etc/passwd"
        echo 'root:x:0:' >"$directory/etc/group"
        tar -C "$directory" -c . | docker import - "$0" >/dev/null
    "#;
    run(NAME, make);
    NAME.to_owned()
}

fn run(argument: &str, script: &str) {
    let status = Command::new("bash")
        .args(["-c", script, argument])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{script}");
}

/// Writes an image into an archive, as images of the Mesos containerizer are kept.
pub(crate) fn save_image(image: &str, archive: &Path) {
    let archive = archive.display();
    run(image, &format!("docker save -o '{archive}' \"$0\""));
}
