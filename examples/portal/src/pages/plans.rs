//! What a user was about to change when a fresh proof was asked for: kept on the server, and done after the proof.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use factorgate::Elevated;
use factorgate::device::DeviceName;

use super::{Page, devices};
use crate::app::App;
use crate::session::SignedIn;

/// A step-up takes no longer.
const LIFETIME: Duration = Duration::from_secs(20 * 60);

/// A change that needs a fresh proof, with what was typed into its form.
pub(crate) enum Plan {
    Rename(u64, DeviceName),
}

impl Plan {
    pub(super) fn is_administrators(&self) -> bool {
        match self {
            Self::Rename(..) => false,
        }
    }

    pub(super) async fn act(self, app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
        match self {
            Self::Rename(id, name) => devices::rename_to(app, signed_in, id, &name, elevated).await,
        }
    }
}

/// The last plan of each session, by the number that the engine gives a session.
#[derive(Default)]
pub(crate) struct Plans(Mutex<HashMap<u64, (Plan, Instant)>>);

impl Plans {
    pub(super) fn keep(&self, session: u64, plan: Plan) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|_, (_, since)| since.elapsed() < LIFETIME);
        plans.insert(session, (plan, Instant::now()));
    }

    /// Takes the plan: nothing does it a second time.
    pub(super) fn take(&self, session: u64) -> Option<Plan> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        kept.filter(|(_, since)| since.elapsed() < LIFETIME).map(|(plan, _)| plan)
    }
}
