//! A ZooKeeper server of Debian's package, for as long as a test needs it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flugs_net::HostPort;

const JAR: &str = "/usr/share/java/zookeeper.jar";

/// The server; it is killed when it is dropped.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        assert!(
            Path::new(JAR).exists(),
            "{JAR} is missing: run tools/install-packages.sh test"
        );
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let data = directory.path().display();
        let configuration = format!(
            "tickTime=200\nminSessionTimeout=400\nmaxSessionTimeout=60000\ndataDir={data}/data\n\
             clientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\n"
        );
        std::fs::write(directory.path().join("zoo.cfg"), configuration).unwrap();
        let mut server = Self {
            directory,
            port,
            process: None,
        };
        server.resume();
        server
    }

    /// Starts it, with the data that it has, and waits until it answers.
    pub(crate) fn resume(&mut self) {
        let java =
            std::env::var("JAVA_HOME").map_or("java".to_owned(), |home| format!("{home}/bin/java"));
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let process = Command::new(java)
            .args([
                "-Xmx192m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
            ])
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
            .arg(format!("{JAR}:/usr/share/java/slf4j-simple.jar"))
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(self.directory.path().join("zoo.cfg"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.log());
            wait(50);
        }
    }

    /// Kills it, as a power failure would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            while process.try_wait().unwrap().is_none() {
                wait(5);
            }
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn address(&self) -> HostPort {
        HostPort {
            host: "127.0.0.1".into(),
            port: self.port,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A pause of a thread that nobody else needs.
fn wait(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}
