//! Debian's registry takes images: whole, cut off and resumed, and from those it knows.

use std::fs;
use std::process::Command;

use crate::server::{Cutting, Registry, Tokens};
use crate::workshop::{EPOCH, FLUGS, Workshop, program, read, run, said};

#[test]
fn debians_registry_takes_the_image_and_gives_it_back() {
    let shop = Workshop::new();
    let registry = Registry::start(None);
    let name = format!("localhost:{}/flugs/worker:1", registry.port);
    let built = shop.build(
        "worker",
        &format!("registry:{name}"),
        &["--compression", "zstd", "--name", "flugs/worker:1"],
    );
    let digest = built["digest"].as_str().unwrap();
    let pulled = format!("oci:{}:1", shop.text("pulled"));
    run(&[
        "skopeo",
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{name}"),
        &pulled,
    ]);
    let index = String::from_utf8(read(&shop.path("pulled/index.json"))).unwrap();
    assert!(index.contains(digest), "{index}");
    shop.ok(&["image", "verify", "oci:pulled"]);
    // What is there is not sent again.
    let before = registry.uploads();
    shop.build(
        "worker",
        &format!("registry:{name}"),
        &["--compression", "zstd", "--name", "flugs/worker:1"],
    );
    assert_eq!(registry.uploads(), before);
}

/// A job of three pieces of 8 MiB that do not compress.
fn large_job(shop: &Workshop) {
    let jar: Vec<u8> = (0..70).flat_map(|_| program(62)).collect();
    let mut state = 1_u64;
    let noise = jar.into_iter().map(|byte| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        byte ^ (state >> 56) as u8
    });
    fs::write(shop.path("job.jar"), noise.collect::<Vec<u8>>()).unwrap();
}

/// Pushes the image with that job; gives what was said of it, and the image's size.
fn push_large(shop: &Workshop, port: u16, registry: &Registry) -> (String, u64) {
    let name = format!("localhost:{port}/flugs/worker:cut");
    let words = [
        "image",
        "build",
        "images/worker.yaml",
        "--base",
        "base.tar",
        "--flink-home",
        "flink",
    ];
    let more = [
        "--binary",
        "flugs",
        "--cache",
        "cache",
        "--user-jar",
        "job.jar",
        "--json",
    ];
    let output = format!("registry:{name}");
    let pushed = shop.flugs(&[words.as_slice(), &more, &["--output", &output]].concat());
    assert!(pushed.status.success(), "{}", said(&pushed));
    let built: serde_json::Value = serde_json::from_slice(&pushed.stdout).unwrap();
    let layers = built["layers"].as_array().unwrap();
    let size = layers.iter().map(|layer| layer["size"].as_u64().unwrap());
    let direct = format!("docker://localhost:{}/flugs/worker:cut", registry.port);
    let words = [
        "skopeo",
        "inspect",
        "--tls-verify=false",
        "--format",
        "{{.Digest}}",
        &direct,
    ];
    assert_eq!(run(&words), built["digest"].as_str().unwrap());
    let said = String::from_utf8(pushed.stderr).unwrap();
    (said, size.sum())
}

#[test]
fn a_push_that_is_cut_off_between_pieces_goes_on_where_it_stopped() {
    let shop = Workshop::new();
    let registry = Registry::start(None);
    large_job(&shop);
    // Before the second whole piece, and before it once more.
    let cutting = Cutting::before_pieces(registry.port, 8 << 20, &[1, 2]);
    let (word, size) = push_large(&shop, cutting.port, &registry);
    assert_eq!((cutting.cuts(), word.as_str()), (2, ""));
    let sent = cutting.sent();
    assert!(
        sent < size + (8 << 20),
        "{sent} bytes for an image of {size}"
    );
}

/// docker-registry 2.8 keeps what came of a piece, and refuses to go on from anywhere but the end of
/// the last whole one: the blob begins again.
#[test]
fn a_push_that_is_cut_off_within_a_piece_begins_that_blob_again_and_says_so() {
    let shop = Workshop::new();
    let registry = Registry::start(None);
    large_job(&shop);
    let cutting = Cutting::start(registry.port, &[12 << 20, 11 << 20]);
    let (word, size) = push_large(&shop, cutting.port, &registry);
    assert_eq!(cutting.cuts(), 2);
    for part in [
        "does not go on with an upload that was cut off",
        "begun again",
    ] {
        assert!(word.contains(part), "{word}");
    }
    assert!(cutting.sent() > size, "{} of {size}", cutting.sent());
}

#[test]
fn a_registry_that_wants_credentials_gets_those_of_docker_login() {
    let shop = Workshop::new();
    let registry = Registry::start(Some("me:sesame"));
    let name = format!("registry:localhost:{}/flugs/worker:1", registry.port);
    let push = |config: Option<&str>| {
        let docker = shop.path("docker");
        fs::create_dir_all(&docker).unwrap();
        let file = docker.join("config.json");
        match config {
            Some(pair) => {
                let auth = run(&["sh", "-c", &format!("printf %s {pair} | base64")]);
                let text = format!(
                    r#"{{"auths":{{"localhost:{}":{{"auth":"{auth}"}}}}}}"#,
                    registry.port
                );
                fs::write(&file, text).unwrap();
            }
            None => drop(fs::remove_file(&file)),
        }
        Command::new(FLUGS)
            .args([
                "image",
                "build",
                "images/worker.yaml",
                "--base",
                "base.tar",
                "--flink-home",
                "flink",
            ])
            .args(["--binary", "flugs", "--cache", "cache", "--output", &name])
            .current_dir(shop.path(""))
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("DOCKER_CONFIG", &docker)
            .output()
            .unwrap()
    };
    let refused = push(None);
    assert_eq!(refused.status.code(), Some(110), "{}", said(&refused));
    assert!(
        said(&refused).contains("docker login"),
        "{}",
        said(&refused)
    );
    let refused = push(Some("me:wrong-secret"));
    assert_eq!(refused.status.code(), Some(110), "{}", said(&refused));
    assert!(
        !said(&refused).contains("wrong-secret"),
        "{}",
        said(&refused)
    );
    let taken = push(Some("me:sesame"));
    assert!(taken.status.success(), "{}", said(&taken));
}

/// The registry of Docker and its kin: a 401 names a place for tokens, which is told who asks, here
/// by what a credential helper says.
#[test]
fn a_registry_with_a_token_service_gets_a_token_for_a_credential_helpers_answer() {
    let shop = Workshop::new();
    let tokens = Tokens::start();
    let registry = Registry::start_with(&format!(
        "auth: {{silly: {{realm: \"http://127.0.0.1:{}/token\", service: test}}}}\n",
        tokens.port
    ));
    let docker = shop.path("docker");
    fs::create_dir_all(&docker).unwrap();
    let helper = docker.join("docker-credential-vault");
    fs::write(&helper, "#!/bin/sh\nread -r host\necho \"{\\\"ServerURL\\\":\\\"$host\\\",\\\"Username\\\":\\\"me\\\",\\\"Secret\\\":\\\"$1-sesame\\\"}\"\n").unwrap();
    run(&["chmod", "755", helper.to_str().unwrap()]);
    let host = format!("localhost:{}", registry.port);
    let config = format!(r#"{{"credHelpers":{{"{host}":"vault"}}}}"#);
    fs::write(docker.join("config.json"), config).unwrap();
    let pushed = Command::new(FLUGS)
        .args([
            "image",
            "build",
            "images/worker.yaml",
            "--base",
            "base.tar",
            "--flink-home",
            "flink",
        ])
        .args([
            "--binary",
            "flugs",
            "--cache",
            "cache",
            "--output",
            &format!("registry:{host}/flugs/worker:1"),
        ])
        .current_dir(shop.path(""))
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("DOCKER_CONFIG", &docker)
        .env(
            "PATH",
            format!("{}:{}", docker.display(), std::env::var("PATH").unwrap()),
        )
        .output()
        .unwrap();
    assert!(pushed.status.success(), "{}", said(&pushed));
    let asked = tokens.asked();
    // base64 of "me:get-sesame".
    assert!(
        asked
            .iter()
            .any(|request| request.contains("Basic bWU6Z2V0LXNlc2FtZQ==")),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|request| request.contains("service=test")),
        "{asked:?}"
    );
}
