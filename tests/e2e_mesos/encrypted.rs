//! TLS everywhere: the artifact server with the operator's certificate, Flink's REST interface with
//! certificates for both sides, and the processes among themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mesos_double::Options;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

use super::scene::{Scene, text};

const PASSWORD: &str = "a-password-of-stores";

/// What an operator has: an authority, what it signed, and Java's stores.
struct Operator {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Operator {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(DnType::CommonName, "The Operator");
        let key = KeyPair::generate().unwrap();
        let own = parameters.self_signed(&key).unwrap();
        fs::write(directory.path().join("authority.pem"), own.pem()).unwrap();
        let issuer = Issuer::new(parameters, key);
        Self { directory, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Files of a certificate and its key.
    fn sign(&self, name: &str, host: &str, until: i32) -> [PathBuf; 2] {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(until, 1, 1);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let files = [
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        ];
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }

    fn keytool(&self, words: &[&str]) {
        let output = Command::new("keytool")
            .args(words)
            .args(["-storepass", PASSWORD])
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }

    /// The lines of a configuration that has everything encrypted; the stores are as Flink's
    /// documentation makes them, the trust store of the REST interface in Java's older format.
    fn configuration(&self) -> String {
        let pair = [
            "-genkeypair",
            "-keyalg",
            "RSA",
            "-keysize",
            "2048",
            "-alias",
        ];
        let internal = ["flink.internal", "-dname", "CN=flink.internal"];
        self.keytool(&[&pair[..], &internal, &["-keystore", "internal.p12"]].concat());
        let rest = ["flink.rest", "-dname", "CN=flink.rest"];
        self.keytool(&[&pair[..], &rest, &["-keystore", "rest.p12"]].concat());
        let (alias, file) = (["-alias", "flink.rest"], ["-file", "rest.cer"]);
        let export = ["-exportcert", "-keystore", "rest.p12"];
        self.keytool(&[&export[..], &alias, &file].concat());
        let import = ["-importcert", "-noprompt", "-storetype", "jks"];
        let to = ["-keystore", "rest-trust.jks"];
        self.keytool(&[&import[..], &to, &alias, &file].concat());
        let stores = [
            ("internal.keystore", "internal.p12"),
            ("internal.truststore", "internal.p12"),
            ("rest.keystore", "rest.p12"),
            ("rest.truststore", "rest-trust.jks"),
        ];
        let mut lines = Vec::new();
        for (key, store) in stores {
            let path = self.path(store);
            lines.push(format!("security.ssl.{key}: {}", path.display()));
            lines.push(format!("security.ssl.{key}-password: {PASSWORD}"));
        }
        for part in ["internal", "rest"] {
            lines.push(format!("security.ssl.{part}.enabled: true"));
            lines.push(format!("security.ssl.{part}.key-password: {PASSWORD}"));
        }
        lines.push("security.ssl.rest.authentication-enabled: true".to_owned());
        lines.join("\n")
    }
}

fn files([certificate, key]: &[PathBuf; 2]) -> Vec<String> {
    let option =
        |name: &str, path: &Path| format!("flugs.mesos.artifactserver.{name}={}", path.display());
    vec![
        option("certificate-file", certificate),
        option("key-file", key),
    ]
}

/// An agent whose host knows the operator's authority, and no other.
fn agents(operator: &Operator) -> Options {
    let mut options = Scene::agents(1);
    for agent in &mut options.agents {
        agent.fetcher_authorities = Some(operator.path("authority.pem"));
    }
    options
}

/// Every file below a directory; `latest` leads to a sandbox that is there by its name.
fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let paths = paths.filter(|path| !path.is_symlink());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn a_job_runs_where_everything_is_encrypted_and_no_secret_is_in_a_task() {
    let operator = Operator::new();
    let mut settings = files(&operator.sign("artifacts", "127.0.0.1", 2100));
    settings.push("mesos.initial-tasks=1".to_owned());
    let mut scene = Scene::new("1.20.5", agents(&operator), &settings);
    scene.configure(&operator.configuration());
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("the cluster is whole", |scene| {
        scene.status()["phase"] == "ready" && scene.tasks().len() == 1
    });
    assert_eq!(scene.registered(), scene.tasks());
    let url = scene.status()["webUrl"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    scene.submit();
    scene.wait_until_counting();

    // The stores came through the artifact server, and its URLs are all that a task has of them.
    let fetched = below(scene.double.work_dir());
    let is_store = |path: &&PathBuf| path.ends_with("tls/internal-keystore.p12");
    let stores: Vec<_> = fetched.iter().filter(is_store).collect();
    assert_eq!(stores.len(), 1, "{stores:?}");
    let tasks = scene.double.launched();
    assert_eq!(tasks.len(), 1);
    for task in tasks {
        let task = task.to_string();
        assert!(task.contains("https://127.0.0.1:"), "{task}");
        assert!(
            !task.contains(PASSWORD) && !task.contains("keystore"),
            "{task}"
        );
    }
    for words in scene.processes() {
        assert!(!words.contains(PASSWORD), "{words}");
    }
    assert!(!scene.log().contains(PASSWORD), "{}", scene.log());

    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

/// Agents check certificates as curl does; what is wrong on their side is told by `flugs why`.
#[test]
fn agents_that_do_not_know_the_authority_do_not_fetch_and_it_is_told_why() {
    let (operator, other) = (Operator::new(), Operator::new());
    let settings = files(&operator.sign("artifacts", "127.0.0.1", 2100));
    let mut scene = Scene::new("1.20.5", agents(&other), &settings);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("the failure is told", |scene| {
        String::from_utf8_lossy(&scene.why().stdout).contains("Failed to fetch all URIs")
    });
    assert!(scene.registered().is_empty());
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

#[test]
fn certificates_that_agents_would_refuse_end_it_before_anything_is_started() {
    let operator = Operator::new();
    let good = operator.sign("good", "127.0.0.1", 2100);
    let other = operator.sign("other", "127.0.0.1", 2100);
    let expired = operator.sign("expired", "127.0.0.1", 2001);
    let foreign = operator.sign("foreign", "am.example", 2100);
    let nowhere = operator.path("nowhere.pem");
    let certificate = "flugs.mesos.artifactserver.certificate-file";
    let key = "flugs.mesos.artifactserver.key-file";
    let [good_certificate, good_key] = &good;
    let cases = [
        (
            [nowhere.clone(), good_key.clone()],
            certificate,
            "nowhere.pem",
        ),
        (
            [good_key.clone(), good_key.clone()],
            certificate,
            "no usable PEM certificate",
        ),
        ([good_certificate.clone(), nowhere], key, "nowhere.pem"),
        (
            [good_certificate.clone(), other[1].clone()],
            key,
            "KeyMismatch",
        ),
        (expired, certificate, "it expired at 2001-01-01"),
        (foreign, certificate, "it is not for 127.0.0.1"),
    ];
    for (pair, option, reason) in cases {
        let scene = Scene::new("1.20.5", Scene::agents(0), &files(&pair));
        let ended = scene.appmaster().output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(75), "{said}");
        assert!(
            said.contains(option) && said.contains(reason),
            "{reason}: {said}"
        );
        assert!(!scene.path("cluster/sandboxes").exists());
    }
}
