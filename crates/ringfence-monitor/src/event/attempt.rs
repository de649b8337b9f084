//! An attempt that somebody else reports and carries out.

use ringfence_guard::{Attempt, CannotApply, Malformed, Target};
use ringfence_model::{Action, Obligation};

/// An attempt as an event named it.
#[derive(Debug, Clone)]
pub(super) struct Reported {
    pub(super) action: Action,
    pub(super) target: Target,
}

impl Attempt for Reported {
    fn action(&self) -> Result<Action, Malformed> {
        Ok(self.action.clone())
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    /// Whoever reports reads the obligations in the answer and carries them out.
    fn apply(&mut self, _change: &Obligation) -> Result<(), CannotApply> {
        Ok(())
    }
}
