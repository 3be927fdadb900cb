//! Sessions after the login: their claims, what they owe, and fresh proofs in them, as a host calls them.

mod claims;
mod completion;
mod future;
#[path = "../host/mod.rs"]
mod host;
mod operations;
mod proofs;

use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::device::DeviceId;
use factorgate::login::{Assurance, StepUp};
use factorgate::policy::{Channel, DenyReason, EmailStanding, FirstRegistration, Policy, Step};
use factorgate::session::{SessionCheck, insufficient_user_authentication};
use factorgate::{
    Contact, Elevated, EmailAddress, Flow, FlowRef, Login, Outcome, PrimaryVerified, Refusal, SessionClaims,
};

use host::*;

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword};

const MINUTE: Duration = Duration::from_secs(60);

impl Host {
    /// A session of a user without a factor, who proved nothing beside the password.
    async fn by_password(&self) -> SessionClaims {
        self.open(done(self.begin(&off()).await))
    }

    async fn by_mail(&self) -> SessionClaims {
        let asked = self.challenge(&email()).await;
        self.open(done(self.email_code(asked.flow(), &email(), &self.mailed()).await))
    }

    /// Begins a step-up in the session that was opened last.
    async fn step_up_last(&self, freshness: Duration) -> Outcome<StepUp> {
        self.step_up(&self.session().await, freshness).await
    }

    async fn device(&self) -> DeviceId {
        self.device_ids().await[0]
    }

    async fn remove(&self, elevated: &Elevated, device: DeviceId) -> Result<factorgate::Authenticated, Refusal> {
        self.mfa.elevated(elevated).remove_device(device).await.unwrap()
    }

    async fn is_ended(&self, claims: &SessionClaims) -> bool {
        matches!(self.check(claims, &off()).await, SessionCheck::Ended)
    }
}

/// The claims of this session with one part of their text replaced.
fn edited(claims: &SessionClaims, from: &str, to: &str) -> SessionClaims {
    let text = claims.to_text();
    assert!(text.contains(from), "{from} is not in {text}");
    SessionClaims::from_text(&text.replace(from, to)).unwrap()
}

fn asks_for<F: Flow>(outcome: &Outcome<F>, step: Step) -> bool {
    matches!(outcome, Outcome::Challenge(asked) if asked.next() == [step])
}
