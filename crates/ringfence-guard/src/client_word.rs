//! What is answered through the agent's own client. It is the client's word: it serves only where
//! every rule that asks says `approvers: [client]`, and a record says whose word it was.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_model::{Approver, Ask};

use crate::control::{ControlError, Word};
use crate::pending::Pending;
use crate::session::Session;
use crate::state::ApprovalRow;
use crate::{Answered, Attempt};

/// Who has answered, where the agent's client has.
pub(crate) const CLIENT: &str = "client";

/// Whether the client's word is enough for everything that asks.
pub(crate) fn suffices(approvers: &[Arc<[Approver]>]) -> bool {
    !approvers.is_empty() && approvers.iter().all(|set| set.contains(&Approver::Client))
}

impl<A: Attempt> Pending<A> {
    /// Whether the agent's own client may answer.
    pub fn client_may_answer(&self) -> bool {
        self.ask().is_some_and(|Ask { approvers, .. }| suffices(approvers))
    }
}

impl Session {
    /// The agent's own client answers an ask of this session.
    ///
    /// # Errors
    /// Nobody waits under that id here, some rule needs another approver, or the log cannot be
    /// written.
    pub async fn client_answers(&self, id: &str, answer: Answered) -> Result<(), ControlError> {
        let may = |row: &ApprovalRow| {
            if *row.session != *self.state.id {
                return Err(ControlError::NoApproval(id.to_owned()));
            }
            // Neither its yes nor its no counts where somebody else is asked.
            let suffices = |set: &Vec<String>| set.iter().any(|word| word == CLIENT);
            if !row.approvers.is_empty() && row.approvers.iter().all(suffices) {
                return Ok(());
            }
            Err(ControlError::NotAnApprover(CLIENT.to_owned(), "an operator".to_owned()))
        };
        self.guard.answer(id, &answer, may, Word::Client).await
    }

    /// A text that this session can be handed back by somebody who could change it: readable, and
    /// of no use changed, to another session or to another installation.
    pub fn seal(&self, text: &str) -> String {
        let tag = hmac::sign(&self.guard.key, &self.sealed(text));
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(tag))
    }

    /// The text of what [`Session::seal`] gave out; none where it is not that.
    pub fn unseal(&self, sealed: &str) -> Option<String> {
        let (text, tag) = sealed.split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.guard.key, &self.sealed(&text), &tag).ok()?;
        Some(text)
    }

    fn sealed(&self, text: &str) -> Vec<u8> {
        let id = self.state.id.as_bytes();
        let length = u64::try_from(id.len()).unwrap_or(u64::MAX).to_be_bytes();
        [b"ringfence sealed 1\n".as_slice(), &length, id, text.as_bytes()].concat()
    }
}
