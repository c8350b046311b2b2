//! How a Flink process tells in its log whether it has found its cluster: the lines that all
//! releases from 1.13 on write alike, with Akka's name or Pekko's.
//!
//! A TaskManager is of use once the ResourceManager has registered it, and it says so nowhere but in
//! its log. A JobManager that is called by a name other than its own drops the message, and says so
//! nowhere but in its log either.

use std::time::Duration;

use flugs_model::Role;
use flugs_supervise::{Complaint, Meaning, Sign, Signs, Weight};

/// A log that says nothing of registering (because of its level, say) makes nobody unready for longer.
const SILENCE: Duration = Duration::from_secs(60);

/// Flink tries again after half a minute at most; one attempt takes up to 20 s.
const NOT_REPEATED: Duration = Duration::from_secs(90);

/// A JobManager that starts along with its workers is no trouble.
const START_TOGETHER: Duration = Duration::from_secs(10);

/// When nothing but silence tells what is wrong, other reasons had their time to show.
const GUESS: Duration = Duration::from_secs(25);

/// What the lines of such a process mean; `None` for one that has no cluster to find.
pub(super) fn signs(role: Role) -> Option<Signs> {
    match role {
        Role::JobManager | Role::StandaloneJob => Some(Signs {
            at_start: None,
            rules: vec![called_otherwise()],
        }),
        Role::TaskManager => Some(Signs {
            at_start: Some(Complaint {
                holds: Some(SILENCE),
                ..Complaint::new(Weight::Guess, "has not registered at a ResourceManager")
            }),
            rules: of_task_managers(),
        }),
        Role::HistoryServer => None,
    }
}

fn sign(has: &[&str], means: Meaning) -> Sign {
    Sign {
        has: has.iter().map(|text| (*text).to_owned()).collect(),
        means,
    }
}

/// Akka's and Pekko's `EndpointWriter`.
fn called_otherwise() -> Sign {
    let text = "is called {5}, and is spoken to as {3}, which it does not answer to: start it with \
                that name (JOB_MANAGER_RPC_ADDRESS or jobmanager.rpc.address, docker run --hostname), \
                or let the others use {5}";
    sign(
        &[
            "for non-local recipient [",
            "arriving at [",
            "@",
            "] inbound addresses are [",
            "@",
            "]",
        ],
        Meaning::Trouble(Complaint {
            holds: Some(NOT_REPEATED),
            said_after: Some(Duration::ZERO),
            ..Complaint::new(Weight::Fact, text)
        }),
    )
}

fn of_task_managers() -> Vec<Sign> {
    let mut rules = vec![
        sign(
            &["Successful registration at resource manager"],
            Meaning::Serves,
        ),
        unregistered(
            &["Starting RPC endpoint for", "taskexecutor.TaskExecutor at"],
            "has not registered: it knows of no ResourceManager yet",
        ),
        unregistered(
            &["Connecting to ResourceManager ", "://flink@", "/"],
            "has not registered at the ResourceManager at {2} yet",
        ),
        unregistered(
            &["Close ResourceManager connection"],
            "has lost its ResourceManager",
        ),
    ];
    rules.extend(FAILURES.map(failed_association));
    rules.push(no_answer());
    rules
}

/// Flink's `TaskExecutor`, between its attempts.
fn unregistered(has: &[&str], text: &str) -> Sign {
    let complaint = Complaint {
        said_after: Some(GUESS),
        ..Complaint::new(Weight::Fact, text)
    };
    sign(has, Meaning::Trouble(complaint))
}

/// What ended an association, as Akka's and Pekko's `ReliableDeliverySupervisor` quotes it, and what
/// that means. The first that fits counts.
const FAILURES: [(&str, &str, &str); 7] = [
    (
        "://flink@",
        "Connection refused",
        "connection refused, so nothing listens there",
    ),
    (
        "://flink@",
        "UnknownHostException",
        "its host name cannot be resolved",
    ),
    (
        "://flink@",
        "No route to host",
        "there is no route to that host",
    ),
    (
        "://flink@",
        "timed out",
        "no answer came in time, as if packets were dropped on the way",
    ),
    (
        ".ssl.tcp://flink@",
        "]",
        "the connection ended in the TLS handshake ({4}): the JobManager has other \
         security.ssl.internal settings than this process, or none",
    ),
    (
        "://flink@",
        "explicitly disassociated",
        "what listens there is no JobManager's RPC port (jobmanager.rpc.port), or one with other \
         security.ssl.internal settings",
    ),
    ("://flink@", "]", "{4}"),
];

fn failed_association((address, cause, meaning): (&str, &str, &str)) -> Sign {
    sign(
        &[
            "Association with remote system [",
            address,
            "] has failed",
            "Caused by: [",
            cause,
        ],
        Meaning::Trouble(Complaint {
            holds: Some(NOT_REPEATED),
            said_after: Some(START_TOGETHER),
            ..Complaint::new(
                Weight::Reason,
                format!("cannot register at the ResourceManager at {{2}}: {meaning}"),
            )
        }),
    )
}

/// Nothing failed, and nothing answered: so it is when a JobManager drops messages to another name.
fn no_answer() -> Sign {
    let text = "cannot register at the ResourceManager at {2}: that address can be reached and does \
                not answer, as a JobManager does whose own name (its jobmanager.rpc.address) is another";
    sign(
        &[
            "Could not resolve ResourceManager address ",
            "://flink@",
            "/",
        ],
        Meaning::Trouble(Complaint {
            holds: Some(NOT_REPEATED),
            said_after: Some(GUESS),
            ..Complaint::new(Weight::Guess, text)
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines of the log mean; `None` for one that means nothing.
    fn read(role: Role, lines: &str) -> Vec<Option<Meaning>> {
        let reader = signs(role).unwrap().reader();
        lines
            .lines()
            .map(|line| reader.meaning_of(line.as_bytes()))
            .collect()
    }

    #[track_caller]
    fn complaint(role: Role, line: &str) -> String {
        match read(role, line).as_slice() {
            [Some(Meaning::Trouble(complaint))] => complaint.text.clone(),
            other => panic!("{other:?} of {line}"),
        }
    }

    fn failure(cause: &str) -> String {
        let line = |scheme| {
            format!(
                "2026-11-30 08:44:40,929 WARN  Supervisor [] - Association with remote system \
                 [{scheme}tcp://flink@jm:6123] has failed, address is now gated for [50] ms. Reason: \
                 [Association failed with [{scheme}tcp://flink@jm:6123]] Caused by: [{cause}]"
            )
        };
        let akka = complaint(Role::TaskManager, &line("akka."));
        assert_eq!(complaint(Role::TaskManager, &line("pekko.")), akka);
        let prefix = "cannot register at the ResourceManager at jm:6123: ";
        akka.strip_prefix(prefix).unwrap().to_owned()
    }

    /// As Flink 1.13.6 and 2.3.0 wrote them.
    #[test]
    fn a_worker_that_cannot_register_knows_why_from_its_log_in_every_release() {
        let netty = "org.apache.flink.shaded.netty4.io.netty.channel.AbstractChannel$\
                     AnnotatedConnectException: Connection refused: jm/10.0.0.2:6123, caused by: \
                     java.net.ConnectException: Connection refused";
        for refused in [
            netty,
            "java.net.ConnectException: Connection refused: jm/10.0.0.2:6123",
        ] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(failure(refused), @"connection refused, so nothing listens there");
            }
        }
        let unknown = failure("java.net.UnknownHostException: jm: Name or service not known");
        insta::assert_snapshot!(unknown, @"its host name cannot be resolved");
        let other = failure("The remote system explicitly disassociated (reason unknown).");
        insta::assert_snapshot!(other, @"what listens there is no JobManager's RPC port (jobmanager.rpc.port), or one with other security.ssl.internal settings");
        let late = "No response from remote for outbound association. Associate timed out after [20000 ms].";
        insta::assert_snapshot!(failure(late), @"no answer came in time, as if packets were dropped on the way");
        insta::assert_snapshot!(failure("java.io.IOException: x"), @"java.io.IOException: x");
    }

    #[test]
    fn a_connection_that_ends_in_the_handshake_is_said_to_be_about_tls() {
        let line = "Association with remote system [pekko.ssl.tcp://flink@jm:6123] has failed, address \
                    is now gated for [50] ms. Reason: [Association failed with \
                    [pekko.ssl.tcp://flink@jm:6123]] Caused by: [java.nio.channels.ClosedChannelException: \
                    null]";
        insta::assert_snapshot!(complaint(Role::TaskManager, line), @"cannot register at the ResourceManager at jm:6123: the connection ended in the TLS handshake (java.nio.channels.ClosedChannelException: null): the JobManager has other security.ssl.internal settings than this process, or none");
    }

    #[test]
    fn silence_is_read_as_a_jobmanager_of_another_name() {
        let line = "TaskExecutor [] - Could not resolve ResourceManager address \
                    akka.tcp://flink@jm:6123/user/rpc/resourcemanager_*, retrying in 500 ms: Could not \
                    connect to rpc endpoint under address \
                    akka.tcp://flink@jm:6123/user/rpc/resourcemanager_*.";
        insta::assert_snapshot!(complaint(Role::TaskManager, line), @"cannot register at the ResourceManager at jm:6123: that address can be reached and does not answer, as a JobManager does whose own name (its jobmanager.rpc.address) is another");
    }

    #[test]
    fn registering_is_followed_from_the_first_line_to_the_last() {
        let lines = "\
Starting RPC endpoint for org.apache.flink.runtime.taskexecutor.TaskExecutor at akka://flink/user/rpc/taskmanager_0 .
Connecting to ResourceManager pekko.tcp://flink@jm:6123/user/rpc/resourcemanager_*(00000000000000000000000000000000).
Resolved ResourceManager address, beginning registration
Successful registration at resource manager pekko.tcp://flink@jm:6123/user/rpc/resourcemanager_* under registration id 1ee2.
Association with remote system [pekko.tcp://flink@jm:6123] has failed, address is now gated for [50] ms. Reason: [Disassociated] 
Close ResourceManager connection 5af0.";
        let texts: Vec<String> = read(Role::TaskManager, lines)
            .into_iter()
            .map(|meaning| match meaning {
                Some(Meaning::Trouble(complaint)) => complaint.text,
                Some(Meaning::Serves) => "serves".to_owned(),
                None => "-".to_owned(),
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n"), @"
        has not registered: it knows of no ResourceManager yet
        has not registered at the ResourceManager at jm:6123 yet
        -
        serves
        -
        has lost its ResourceManager
        ");
    }

    #[test]
    fn a_jobmanager_that_is_spoken_to_under_another_name_says_both() {
        for (library, package) in [("akka", "akka"), ("pekko", "org.apache.pekko")] {
            let line = format!(
                "ERROR {package}.remote.EndpointWriter [] - dropping message [class \
                 {package}.actor.ActorSelectionMessage] for non-local recipient \
                 [Actor[{library}.tcp://flink@jm:6123/]] arriving at [{library}.tcp://flink@jm:6123] \
                 inbound addresses are [{library}.tcp://flink@4f0e11d2a3b4:6123]"
            );
            for role in [Role::JobManager, Role::StandaloneJob] {
                insta::allow_duplicates! {
                    insta::assert_snapshot!(complaint(role, &line), @"is called 4f0e11d2a3b4:6123, and is spoken to as jm:6123, which it does not answer to: start it with that name (JOB_MANAGER_RPC_ADDRESS or jobmanager.rpc.address, docker run --hostname), or let the others use 4f0e11d2a3b4:6123");
                }
            }
        }
        assert!(signs(Role::HistoryServer).is_none());
    }
}
