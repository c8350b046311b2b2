//! The handle over HTTP: `POST /agents/0/lose`, for whoever runs the double by hand or in a script.

use crate::double::{DoubleError, MesosDouble, listen};
use crate::faults::{Chunking, Faults};
use crate::http::request::Request;
use crate::http::response::Response;
use bytes::BytesMut;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What can be asked for, as `GET /` tells it.
pub const HELP: &str = "\
GET  /state                      the leader's state
GET  /faults                     what goes wrong, with the names for the next one
POST /faults                     {\"mute_heartbeats\": true, ...}: change some of it
POST /agents/N/cut               the agent falls silent (numbers begin with 0)
POST /agents/N/lose              ... and the master knows at once
POST /agents/N/crash             its machine dies with its tasks
POST /agents/N/replace           its process starts under a new id, and the old one's tasks go on
POST /agents/N/end-orphans       ... and now they end
POST /agents/N/return            it is back
POST /masters/N/elect            the master leads from now on
POST /masters/none/elect         nobody leads
POST /masters/N/stop|start       its process dies, or is started again
POST /masters/N/recovering|recovered   it leads and is not ready, or is again
POST /registry/lose              the leader starts again and remembers nothing
POST /connections/cut            all connections break
POST /connections/freeze         ... or go silent and stay open
POST /offers/spoil|rescind       offers are void, and nobody is told, or everybody is
POST /tasks/ID/exit?STATUS       a pretended task ends (--tasks pretended)
POST /tasks/ID/preempt           its agent takes its resources away
POST /advance?SECONDS            a virtual clock goes on (--virtual-time)
";

/// Listens for such requests until the double ends.
///
/// # Errors
/// If the port cannot be had.
pub async fn serve_admin(
    double: Arc<MesosDouble>,
    host: &str,
    port: u16,
) -> Result<SocketAddr, DoubleError> {
    let (listener, address) = listen(host, port).await?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(converse(socket, Arc::clone(&double)));
        }
    });
    Ok(address)
}

async fn converse(mut socket: TcpStream, double: Arc<MesosDouble>) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(request) = Request::read(&mut socket, &mut buffer).await? {
        let response = answer(&request, &double)
            .await
            .unwrap_or_else(Response::bad_request);
        socket.write_all(&response.bytes()).await?;
    }
    Ok(())
}

/// The error is the text of a 400.
async fn answer(request: &Request, double: &MesosDouble) -> Result<Response, String> {
    let path: Vec<&str> = request
        .path
        .split('/')
        .filter(|one| !one.is_empty())
        .collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", []) => return Ok(Response::plain(HELP)),
        ("GET", ["state"]) => return Ok(Response::json(&double.state())),
        ("GET", ["faults"]) => return Ok(Response::json(&faults_json(&double.faults()))),
        ("POST", ["faults"]) => set_faults(double, &request.body)?,
        ("POST", ["agents", agent, what]) => {
            let agent = number("agent", agent, double.agents())?;
            match *what {
                "cut" => double.cut_agent(agent),
                "lose" => double.lose_agent(agent),
                "return" => double.return_agent(agent),
                "crash" => double.crash_agent(agent),
                "replace" => double.replace_agent(agent),
                "end-orphans" => double.end_orphans(agent),
                _ => return Ok(Response::not_found()),
            }
        }
        ("POST", ["masters", "none", "elect"]) => double.elect(None),
        ("POST", ["masters", node, what]) => {
            let node = number("master", node, double.addresses().len())?;
            match *what {
                "stop" => double.stop_master(node),
                "start" => double
                    .start_master(node)
                    .await
                    .map_err(|error| error.to_string())?,
                "elect" => double.elect(Some(node)),
                "recovering" => double.set_recovering(node, true),
                "recovered" => double.set_recovering(node, false),
                _ => return Ok(Response::not_found()),
            }
        }
        ("POST", ["registry", "lose"]) => double.lose_registry(),
        ("POST", ["connections", "cut"]) => double.cut_connections(),
        ("POST", ["connections", "freeze"]) => double.freeze_connections(),
        ("POST", ["offers", "spoil"]) => double.spoil_offers(),
        ("POST", ["offers", "rescind"]) => double.rescind_offers(),
        ("POST", ["tasks", task, "exit"]) => {
            let status = request.query.parse();
            let status = status.map_err(|_| "expected ?STATUS".to_owned())?;
            if !double.end_task(task, status) {
                return Err(format!("there is no task {task}"));
            }
        }
        ("POST", ["tasks", task, "preempt"]) => {
            if !double.preempt_task(task) {
                return Err(format!("there is no task {task}"));
            }
        }
        ("POST", ["advance"]) => {
            let seconds = request.query.parse::<f64>().ok();
            let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            if !double.advance(time.ok_or_else(|| "expected ?SECONDS".to_owned())?) {
                return Err("time is real and goes by itself: --virtual-time".to_owned());
            }
        }
        _ => return Ok(Response::not_found()),
    }
    Ok(Response::ok())
}

/// Which of so many.
fn number(what: &str, text: &str, many: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number < many);
    number.ok_or_else(|| {
        format!(
            "'{text}': there is no such {what}, they are 0 to {}",
            many.saturating_sub(1)
        )
    })
}

fn faults_json(faults: &Faults) -> Value {
    json!({
        "chunking": format!("{:?}", faults.chunking).to_lowercase(),
        "chunk_extensions": faults.chunk_extensions,
        "mute_heartbeats": faults.mute_heartbeats,
        "mute_connections": faults.mute_connections,
        "duplicate_updates": faults.duplicate_updates,
        "update_delay": faults.update_delay.as_secs_f64(),
        "refused_calls": faults.refused_calls,
        "failed_launches": faults.failed_launches,
        "stale_offers": faults.stale_offers,
        "shuffle_agent_loss": faults.shuffle_agent_loss,
        "offers_before_updates": faults.offers_before_updates,
        "offers_before_heartbeat": faults.offers_before_heartbeat,
        "pull_delay": faults.pull_delay.as_secs_f64(),
        "absolute_locations": faults.absolute_locations,
    })
}

fn set_faults(double: &MesosDouble, body: &[u8]) -> Result<(), String> {
    let changes: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut faults = double.faults();
    for (name, value) in &changes {
        set_fault(&mut faults, name, value)
            .ok_or_else(|| format!("'{name}': unknown, or {value} is no value for it"))?;
    }
    double.set_faults(|own| *own = faults);
    Ok(())
}

fn set_fault(faults: &mut Faults, name: &str, value: &Value) -> Option<()> {
    let percent = || u8::try_from(value.as_u64()?).ok();
    let time = || Duration::try_from_secs_f64(value.as_f64()?).ok();
    match name {
        "chunking" => {
            faults.chunking = match value.as_str()? {
                "record" => Chunking::Record,
                "bytes" => Chunking::Bytes,
                "random" => Chunking::Random,
                "merged" => Chunking::Merged,
                _ => return None,
            }
        }
        "chunk_extensions" => faults.chunk_extensions = value.as_bool()?,
        "mute_heartbeats" => faults.mute_heartbeats = value.as_bool()?,
        "mute_connections" => faults.mute_connections = value.as_bool()?,
        "duplicate_updates" => faults.duplicate_updates = value.as_bool()?,
        "update_delay" => faults.update_delay = time()?,
        "refused_calls" => faults.refused_calls = percent()?,
        "failed_launches" => faults.failed_launches = percent()?,
        "stale_offers" => faults.stale_offers = percent()?,
        "shuffle_agent_loss" => faults.shuffle_agent_loss = value.as_bool()?,
        "offers_before_updates" => faults.offers_before_updates = value.as_bool()?,
        "offers_before_heartbeat" => faults.offers_before_heartbeat = value.as_bool()?,
        "pull_delay" => faults.pull_delay = time()?,
        "absolute_locations" => faults.absolute_locations = value.as_bool()?,
        _ => return None,
    }
    Some(())
}
