//! Attacks that were seen on real systems, as a host's requests; what must come out of each.

mod browsers;
mod bypass;
mod devices;
mod guessing;
#[path = "../host/mod.rs"]
mod host;
mod leaks;
mod lifecycle;
mod recovery;
mod replay;
mod reset;
mod sessions;
mod stale;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use factorgate::admin::Ticket;
use factorgate::audit::{CodeFault, Event, EventKind, Factor, TrustEnd};
use factorgate::browser::{BrowserName, BrowserToken};
use factorgate::device::{DeviceId, DeviceName};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::limits::IssuanceBudget;
use factorgate::login::{Assurance, Registration};
use factorgate::mail::Notice;
use factorgate::otp::{Algorithm, Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, EmailStanding, FirstRegistration, Policy, Step};
use factorgate::recovery::RecoveryCodesLeft;
use factorgate::session::SessionCheck;
use factorgate::store::Record;
use factorgate::testing::{FixedClock, MailFault, MemoryStore, Outbox};
use factorgate::{
    Action, Contact, EmailAddress, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal, SessionClaims, Timestamp,
    UserRow,
};

use host::*;

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword};

impl Host {
    /// Enters a code of one device, which the user has chosen.
    async fn code_of(&self, flow: &FlowRef<Login>, device: DeviceId, code: &str, policy: &Policy) -> Outcome<Login> {
        self.submit(flow, policy, Action::AppCode { code: code.into(), device: Some(device) }).await
    }

    /// Logs in by a code of the device, and trusts the browser.
    async fn trust(&self, secret: &Secret) -> (BrowserToken, SessionClaims) {
        let claims = self.log_in(secret, &trusting()).await;
        let session = self.session_of(&claims, &trusting()).await;
        let name = BrowserName::new("Firefox").unwrap();
        (self.mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap(), claims)
    }

    /// Sends `request` on a login of its own until it was judged 100 times, however long that takes.
    async fn wear_out(&self, policy: &Policy, request: impl AsyncFn(&FlowRef<Login>)) {
        for _ in 0..100 {
            let asked = self.challenge_unblocked(policy).await;
            request(asked.flow()).await;
        }
        self.wait(3600);
    }

    async fn lock(&self, secret: &Secret) {
        let asked = self.challenge(&app()).await;
        for _ in 0..5 {
            let _ = self.app_code(asked.flow(), &app(), &wrong(secret)).await;
        }
    }

    fn faults(&self, factor: Factor) -> Vec<CodeFault> {
        let log = self.log.lock().unwrap();
        let fault = |event: &Event| match event.kind {
            EventKind::CodeRefused { factor: of, fault } if of == factor => Some(fault),
            _ => None,
        };
        log.iter().filter_map(fault).collect()
    }

    fn last_notice(&self) -> Option<Notice> {
        self.outbox.sent().last().and_then(|mail| mail.notice)
    }
}

fn any() -> Policy {
    Policy::any_of([App, Email], AfterPassword).unwrap()
}

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

/// A reference of a flow with this token, which is of this user.
fn forged(token: &[u8; 32], user: &str) -> FlowRef<Login> {
    let bytes = [&[1][..], token, user.as_bytes()].concat();
    FlowRef::from_cookie(&URL_SAFE_NO_PAD.encode(bytes)).unwrap()
}

/// The token in the cookie of a flow.
fn token_of(cookie: &str) -> [u8; 32] {
    URL_SAFE_NO_PAD.decode(cookie).unwrap()[1..33].try_into().unwrap()
}

fn left(outcome: &Outcome<Login>) -> u32 {
    match outcome {
        Outcome::Challenge(challenge) => challenge.attempts_left(),
        other => panic!("{other:?}"),
    }
}

fn ticket_text(ticket: &Ticket) -> String {
    ticket.expose_secret().expose_secret().to_owned()
}
