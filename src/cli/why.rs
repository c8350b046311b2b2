//! `flugs why`: why nothing is launched.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::appmaster::mesos::api::Topic;
use crate::appmaster::mesos::report::WhyReport;
use crate::store::ApplicationMaster;
use flugs_artifact::Token;
use flugs_base::ExitCode;

use super::left::LeftOnMesos;
use super::{Ending, output};

/// How long an application master may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Say why workers of a Mesos cluster are not launched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs why
  docker exec appmaster flugs why --dir /run/flugs/cluster
  flugs why --url http://master1:8082 --token-file token --json

Exit code: 0 if every wanted worker is registered, 93 if not or if this
application master stands by, 77 if there is no such cluster.")]
pub(super) struct Args {
    #[command(flatten)]
    whom: Whom,
    /// Print the document instead of its text.
    #[arg(long)]
    json: bool,
}

/// Which application master is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Whom {
    /// The cluster's directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    dir: PathBuf,
    /// The application master's HTTP interface, if it is not on this machine.
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    url: Option<Url>,
    /// The file with the token that it wants to see.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let why: WhyReport = ask(&args.whom.address()?, Topic::Why)?;
    if args.json {
        output::json(&why);
    } else {
        output::line(&why.text());
    }
    Ok(if why.leader.is_none() && why.registered >= why.wanted {
        ProcessExit::SUCCESS
    } else {
        ExitCode::NotReady.code().into()
    })
}

impl Whom {
    fn address(&self) -> Result<ApplicationMaster, Ending> {
        match &self.url {
            Some(url) => Ok(ApplicationMaster {
                url: url.to_string(),
                token_file: self.token_file.clone(),
            }),
            None => running(&self.dir)?.map_or_else(|| Err(nobody_in(&self.dir)?), Ok),
        }
    }
}

/// That no application master runs here, and what it may have left.
fn nobody_in(directory: &Path) -> Result<Ending, Ending> {
    let left = LeftOnMesos::by(&super::load_cluster(directory)?, directory)?;
    let left = left.map_or_else(String::new, |left| format!("\n{}", left.text(directory)));
    Ok(Ending {
        code: ExitCode::NoCluster,
        message: format!(
            "no application master runs in {}: name its directory with --dir, or its address with \
             --url{left}",
            directory.display()
        ),
    })
}

/// Where the application master of this directory answers, if one runs there.
pub(super) fn running(directory: &Path) -> Result<Option<ApplicationMaster>, Ending> {
    let state = super::load_cluster(directory)?;
    let running = crate::store::DirectoryLock::is_held(directory);
    Ok(state.application_master.filter(|_| running))
}

/// Asks an application master.
pub(super) fn ask<T: DeserializeOwned + Serialize>(
    whom: &ApplicationMaster,
    topic: Topic,
) -> Result<T, Ending> {
    let token = whom
        .token_file
        .as_deref()
        .map(Token::from_file)
        .transpose()?;
    let url = format!("{}{}", whom.url.trim_end_matches('/'), topic.path());
    let failed = |reason: String| Ending {
        code: ExitCode::NotReady,
        message: format!(
            "the application master at {} does not answer: {reason}",
            whom.url
        ),
    };
    let fetch = async {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .tls_certs_only([])
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let mut request = client.get(&url);
        if let Some(token) = &token {
            request = request.bearer_auth(token.expose());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| failed(chain(&error)))?;
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .map_err(|error| failed(chain(&error)))?;
        if !status.is_success() {
            return Err(failed(format!(
                "{status} {}",
                String::from_utf8_lossy(&body)
            )));
        }
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
    };
    super::runtime()?.block_on(fetch)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
