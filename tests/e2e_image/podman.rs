//! Podman, Debian's, as root and as an ordinary user: what docs/docker.md says of it.

use std::fs;
use std::path::Path;

use crate::workshop::{FLUGS, Workshop, run, succeeded};

const NAME: &str = "flugs-image-test:podman";
const OF_NOBODY: [&str; 4] = ["--reuid", "65534", "--regid", "65534"];

/// An image that can be run: flugs itself and a shell.
fn archive() -> Workshop {
    let shop = Workshop::new();
    let runnable = "include: [worker.yaml]\nfiles:\n\
                    - {path: /usr/bin/busybox, source: /bin/busybox, mode: \"0755\"}\n";
    fs::write(shop.path("images/runnable.yaml"), runnable).unwrap();
    let words = ["--binary", FLUGS, "--name", NAME];
    shop.build("runnable", "archive:image.tar", &words);
    shop
}

/// `podman` with directories of its own. Limits are lower than podman's own, which not every
/// machine lets root raise; without systemd nothing asks for health, so that is left out.
struct Podman<'a> {
    before: Vec<String>,
    place: &'a Path,
}

impl Podman<'_> {
    fn words(&self, words: &[&str]) -> Vec<String> {
        let place = self.place.display();
        let program = format!(
            "podman --root {place}/root --runroot {place}/run --cgroup-manager cgroupfs \
             --events-backend file --runtime runc"
        );
        let own = program.split(' ').map(str::to_owned);
        let more = words.iter().map(|word| (*word).to_owned());
        self.before.iter().cloned().chain(own).chain(more).collect()
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let words = self.words(words);
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn run(&self, options: &[&str], image: &str, command: &[&str]) -> String {
        let limits = ["run", "--rm", "--no-healthcheck", "--network=host"];
        let more = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        self.ok(&[limits.as_slice(), &more, options, &[image], command].concat())
    }

    fn health(&self, image: &str) -> String {
        self.ok(&[
            "image",
            "inspect",
            "--format",
            "{{json .HealthCheck}}",
            image,
        ])
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let words = self.words(&["system", "reset", "--force"]);
        let _ = std::process::Command::new(&words[0])
            .args(&words[1..])
            .output();
    }
}

#[test]
fn podman_keeps_the_health_check_if_it_pulls_and_has_other_mounts_under_a_read_only_root() {
    let shop = archive();
    let place = shop.path("podman");
    let podman = Podman {
        before: Vec::new(),
        place: &place,
    };
    let image = shop.text("image.tar");
    podman.ok(&["load", "--quiet", "--input", &image]);
    assert_eq!(podman.health(&format!("docker.io/library/{NAME}")), "null");
    podman.ok(&["rmi", &format!("docker.io/library/{NAME}")]);
    podman.ok(&["pull", "--quiet", &format!("docker-archive:{image}")]);
    let pulled = format!("localhost/{NAME}");
    let health = podman.health(&pulled);
    assert!(
        health.contains(r#""/usr/local/bin/flugs","health","--ready""#),
        "{health}"
    );

    let script = "cat /proc/mounts; echo conf=$FLINK_CONF_DIR";
    let command = ["/usr/bin/busybox", "sh", "-c", script];
    let properties = "--env=FLINK_PROPERTIES=a: b";
    // podman's own /run hides /run/flugs, and its /tmp is one that libraries can be mapped from.
    let told = podman.run(&["--read-only", properties], &pulled, &command);
    let mount = |place: &str| {
        told.lines()
            .find(|line| line.split(' ').nth(1) == Some(place))
    };
    for place in ["/run", "/tmp", "/var/tmp"] {
        let found = mount(place).unwrap_or_else(|| panic!("no {place}: {told}"));
        assert!(
            found.starts_with("tmpfs") && !found.contains("noexec"),
            "{found}"
        );
    }
    assert!(told.contains("conf=/tmp/flugs/"), "{told}");
    // As Docker does it.
    let as_docker = [
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs=/tmp",
        properties,
    ];
    let told = podman.run(&as_docker, &pulled, &command);
    assert!(!told.contains(" /run tmpfs"), "{told}");
    assert!(told.contains("conf=/tmp/flugs/"), "{told}");
    // Where conf can be written to, what was set is there, and nobody is led elsewhere.
    let told = podman.run(&[properties], &pulled, &command);
    assert!(told.ends_with("conf="), "{told}");
    let owners = [
        "-c",
        "%a %u:%g %n",
        "/opt/flink",
        "/opt/flink/bin",
        "/run/flugs",
        "/run",
        "/etc",
    ];
    let busybox = [["/usr/bin/busybox", "stat"].as_slice(), &owners].concat();
    assert_eq!(
        podman.run(&[], &pulled, &busybox),
        "775 9999:0 /opt/flink\n775 9999:0 /opt/flink/bin\n1777 0:0 /run/flugs\n755 0:0 /run\n755 0:0 /etc"
    );
}

/// Somebody who may nothing but start containers: with ids of his own, in files that only this
/// test's processes see.
#[test]
fn podman_runs_the_image_for_an_ordinary_user() {
    let shop = archive();
    run(&["chmod", "-R", "a+rX", shop.path("").to_str().unwrap()]);
    let place = shop.path("rootless");
    fs::create_dir(&place).unwrap();
    run(&["chown", "65534:65534", place.to_str().unwrap()]);
    fs::write(shop.path("ids"), "nobody:200000:65536\n").unwrap();
    let ids = shop.text("ids");
    let home = place.display();
    let script = format!(
        "mount --bind {ids} /etc/subuid && mount --bind {ids} /etc/subgid && export HOME={home} \
         XDG_RUNTIME_DIR={home} && cd {home} && exec setpriv {} --clear-groups \"$@\"",
        OF_NOBODY.join(" ")
    );
    let before = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let podman = Podman {
        before: before.map(str::to_owned).to_vec(),
        place: &place,
    };
    let image = format!("docker-archive:{}", shop.text("image.tar"));
    podman.ok(&["pull", "--quiet", &image]);
    let pulled = format!("localhost/{NAME}");
    let script =
        "id -u; cat /proc/self/uid_map; echo conf=$FLINK_CONF_DIR; stat -c %u:%g /opt/flink/bin";
    let command = ["/usr/bin/busybox", "sh", "-c", script];
    let properties = "--env=FLINK_PROPERTIES=a: b";
    for more in [[].as_slice(), &["--read-only"]] {
        let told = podman.run(&[more, &[properties]].concat(), &pulled, &command);
        assert!(
            told.starts_with("9999\n") && told.ends_with("9999:0"),
            "{told}"
        );
        assert!(told.contains("65534"), "{told}");
        // Where conf can be written to, nobody is led elsewhere.
        let conf = if more.is_empty() {
            "conf=\n"
        } else {
            "conf=/tmp/flugs/"
        };
        assert!(told.contains(conf), "{told}");
    }
    // His own files are the container's root's, unless the image's user stands for him.
    fs::create_dir(place.join("own")).unwrap();
    run(&["chown", "65534:65534", place.join("own").to_str().unwrap()]);
    let volume = format!("--volume={home}/own:/own");
    let touch = ["/usr/bin/busybox", "touch", "/own/file"];
    let refused = podman.words(
        &[
            ["run", "--rm", "--no-healthcheck", "--network=host", &volume].as_slice(),
            &[
                "--ulimit=nofile=1024:1024",
                "--ulimit=nproc=1024:1024",
                &pulled,
            ],
            &touch,
        ]
        .concat(),
    );
    let refused = std::process::Command::new(&refused[0])
        .args(&refused[1..])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let keep = "--userns=keep-id:uid=9999,gid=9999";
    podman.run(&[keep, &volume], &pulled, &touch);
    let found = std::process::Command::new("stat")
        .args(["-c", "%u", place.join("own/file").to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(succeeded(&found, &["stat"]), "65534");
}
