//! `flugs serve`: the artifact server by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::{Ending, number, output};
use flugs_artifact::server::{AccessRecord, TlsIdentity};
use flugs_artifact::{Server, ServerOptions, Store, Token};
use flugs_base::ExitCode;

/// Serve a store's artifacts over HTTP, by their digests.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs serve --token-file token lib/*.jar
  flugs serve --bind 0.0.0.0:8085 --advertise https://master.example:8085/ \\
      --tls-cert server.pem --tls-key server.key --client-ca workers.pem --token-file token
  flugs serve --tls-self-signed --token-file token job.jar

Prints one line for each FILE: its URL. With a self-signed certificate the URL ends in the
certificate's fingerprint, which `flugs artifact fetch` and `flugs launch` check. Stops on SIGTERM
or SIGINT, after the requests at work.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct Args {
    /// Files to add to the store and serve.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Files to add that are served over TLS only.
    #[arg(long, value_name = "FILE")]
    secret: Vec<PathBuf>,
    /// The store's directory.
    #[arg(long, value_name = "DIR", default_value = super::artifact::DEFAULT_STORE)]
    store: PathBuf,
    /// The address to listen on; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// The URL under which others reach this server.
    #[arg(long, value_name = "URL")]
    advertise: Option<Url>,
    /// The file (mode 0600) with the token that clients must show; or set FLUGS_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Serve to everybody who can connect.
    #[arg(long, conflicts_with = "token_file")]
    no_token: bool,
    /// Certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Generate a certificate; its fingerprint becomes part of the URLs.
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,
    /// Let only clients in whose certificates an authority in this file (PEM) has signed.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Serve secret artifacts without TLS, where everybody on the way can read them.
    #[arg(long)]
    secrets_in_the_clear: bool,
    /// Write one line for each request to standard error.
    #[arg(long)]
    access_log: bool,
    /// Threads that serve; the number of CPUs unless given.
    #[arg(long, value_name = "N", value_parser = number::threads())]
    threads: Option<usize>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listening {
    address: SocketAddr,
    certificate_sha256: Option<String>,
    artifacts: Vec<Served>,
}

#[derive(Serialize)]
struct Served {
    file: String,
    sha256: String,
    size: u64,
    url: String,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let store = Store::open(&args.store)?;
    let public = args.files.iter().map(|path| (path, store.add_file(path)));
    let secret = args.secret.iter();
    let secret = secret.map(|path| (path, store.add_secret_file(path)));
    let objects = public
        .chain(secret)
        .map(|(path, object)| Ok((path, object?)))
        .collect::<Result<Vec<_>, Ending>>()?;
    let digests: Vec<_> = objects.iter().map(|(_, object)| object.digest).collect();
    // What is served stays in the store for as long as it is.
    let _lease = store.lease(&digests)?;
    raise_descriptor_limit();
    let tls = identity(args)?;
    let certificate_sha256 = tls.as_ref().map(|tls| tls.fingerprint().to_string());
    let options = ServerOptions {
        token: token(args)?,
        advertised: args.advertise.clone(),
        tls,
        secrets_in_the_clear: args.secrets_in_the_clear,
        access_log: args
            .access_log
            .then(|| Arc::new(log) as flugs_artifact::server::AccessLog),
        ..ServerOptions::default()
    };
    let server = Server::bind(args.bind, store, options)?;
    let listening = Listening {
        address: server.local_addr(),
        certificate_sha256,
        artifacts: objects
            .iter()
            .map(|(path, object)| Served {
                file: path.display().to_string(),
                sha256: object.digest.to_string(),
                size: object.size,
                url: server.url_of(&object.digest),
            })
            .collect(),
    };
    show(&listening, args.json);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = builder.enable_all().build().map_err(internal)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        // On a worker thread: the thread that blocks here is not one of them.
        server.serve(stopped).await?;
        Ok(ProcessExit::SUCCESS)
    })
}

fn show(listening: &Listening, json: bool) {
    if json {
        return output::json(listening);
    }
    output::note(&format!("flugs: serving on {}", listening.address));
    for served in &listening.artifacts {
        output::line(&served.url);
    }
}

fn token(args: &Args) -> Result<Option<Token>, Ending> {
    match (&args.token_file, args.no_token) {
        (Some(path), _) => Ok(Some(Token::from_file(path)?)),
        (None, true) => Ok(None),
        (None, false) => match super::artifact_fetch::token_from_environment()? {
            Some(token) => Ok(Some(token)),
            None => Err(Ending {
                code: ExitCode::Usage,
                message: "name a token with --token-file or FLUGS_TOKEN, or say --no-token to serve everybody".to_owned(),
            }),
        },
    }
}

fn identity(args: &Args) -> Result<Option<TlsIdentity>, Ending> {
    let clients = args.client_ca.as_deref();
    match (&args.tls_cert, &args.tls_key, args.tls_self_signed) {
        (Some(certificate), Some(key), _) => {
            Ok(Some(TlsIdentity::from_files(certificate, key, clients)?))
        }
        (_, _, true) => {
            let mut names = TlsIdentity::names_for(args.bind.ip());
            let host = args.advertise.as_ref().and_then(Url::host_str);
            names.extend(host.map(str::to_owned));
            Ok(Some(TlsIdentity::generate(&names, clients)?))
        }
        _ if clients.is_some() => Err(Ending {
            code: ExitCode::Usage,
            message: "--client-ca needs TLS: give --tls-cert and --tls-key, or --tls-self-signed"
                .to_owned(),
        }),
        _ => Ok(None),
    }
}

fn log(record: &AccessRecord) {
    let AccessRecord {
        peer,
        method,
        target,
        status,
        bytes,
        elapsed,
        complete,
    } = record;
    let cut = if *complete { "" } else { " cut" };
    let milliseconds = elapsed.as_millis();
    output::note(&format!(
        "{peer} {method} {target} {status} {bytes} bytes {milliseconds} ms{cut}"
    ));
}

/// Each connection needs a descriptor and each file that is being sent another. The soft limit is
/// often 1024 for the sake of programs that use `select`.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn internal(error: impl std::fmt::Display) -> Ending {
    Ending {
        code: ExitCode::Internal,
        message: error.to_string(),
    }
}
