//! Calls that are not SUBSCRIBE: whether the framework may make them, and who carries them out.

use super::Cluster;
use crate::call::{Call, identifier, text};

/// The answer to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    Accepted,
    /// UPDATE_FRAMEWORK is answered when it is done.
    Done,
    BadRequest(String),
    Forbidden(&'static str),
}

impl Cluster {
    /// Takes a call that is well-formed. `stream_id`: the request's header.
    pub(crate) fn call(
        &mut self,
        call: &Call,
        stream_id: Option<&str>,
        principal: Option<&str>,
    ) -> Reply {
        let id = call.framework_id.as_deref().unwrap_or_default();
        if let Err(refusal) = self.check_caller(id, stream_id, principal) {
            return refusal;
        }
        let message = call.message();
        match call.kind.as_str() {
            "TEARDOWN" => self.remove_framework(id),
            "ACCEPT" => self.accept(id, &message),
            "DECLINE" => self.decline(id, &message),
            "REVIVE" => self.suppress(id, &message, true),
            "SUPPRESS" => self.suppress(id, &message, false),
            "KILL" => self.kill(id, &message),
            "SHUTDOWN" => self.shutdown(id, &message),
            "ACKNOWLEDGE" => self.acknowledge(
                id,
                identifier(&message, "agent_id").unwrap_or_default(),
                identifier(&message, "task_id").unwrap_or_default(),
                text(&message, "uuid").unwrap_or_default(),
            ),
            "RECONCILE" => self.reconcile(id, &message),
            "UPDATE_FRAMEWORK" => {
                return match self.update_framework(id, &message) {
                    Ok(()) => Reply::Done,
                    Err(reason) => Reply::BadRequest(reason),
                };
            }
            "ACCEPT_INVERSE_OFFERS" => self.answer_inverse_offers(id, &message, "ACCEPT"),
            "DECLINE_INVERSE_OFFERS" => self.answer_inverse_offers(id, &message, "DECLINE"),
            // MESSAGE reaches no executor that listens; REQUEST does nothing in a real master either,
            // and there are no operations to speak about.
            _ => {}
        }
        Reply::Accepted
    }

    fn check_caller(
        &self,
        id: &str,
        stream_id: Option<&str>,
        principal: Option<&str>,
    ) -> Result<(), Reply> {
        let refuse = |text: String| Err(Reply::BadRequest(text));
        let Some(framework) = self.framework(id) else {
            return refuse("Framework cannot be found".to_owned());
        };
        let own = text(&framework.info, "principal");
        if let Some(principal) = principal.filter(|principal| own != Some(principal)) {
            return refuse(format!(
                "Authenticated principal '{principal}' does not match principal '{}' set in `FrameworkInfo`",
                own.unwrap_or_default()
            ));
        }
        let Some(stream) = &framework.stream else {
            return Err(Reply::Forbidden("Framework is not subscribed"));
        };
        match stream_id {
            None => refuse(
                "All non-subscribe calls should include the 'Mesos-Stream-Id' header".to_owned(),
            ),
            Some(given) if given != stream.id => refuse(format!(
                "The stream ID '{given}' included in this request didn't match the stream ID currently associated with framework ID {id}"
            )),
            Some(_) => Ok(()),
        }
    }
}
