//! Races for grace and for external factors.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::login::Registration;
use factorgate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor, GraceDays, Policy};
use factorgate::{FlowRef, Login, Outcome, PrimaryVerified, Store, UserRow};

use crate::race::host::{contact, done, is_in, off, with_ticket};
use crate::race::{Host, RIGHT, Race, WRONG, at_once, let_in};

/// A race between requests of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CompanyRace {
    /// 16 logins that grace lets in, each a second later; gives how many deadlines were told or written.
    Grace,
    /// 16 times the host's word in one login; gives how many were let in.
    Assertion,
    /// 32 failed checks in one login; gives how many were judged.
    FailedChecks,
    /// 16 times the registration of a factor in one flow; gives how often it was registered.
    Registration,
}

impl Race for CompanyRace {
    async fn run<S: Store + Clone + 'static>(self, host: &Host<S>) -> usize {
        match self {
            Self::Grace => host.grace().await,
            Self::Assertion => host.assertion().await,
            Self::FailedChecks => host.failed_checks().await,
            Self::Registration => host.registration().await,
        }
    }
}

impl<S: Store + Clone + 'static> Host<S> {
    async fn grace(&self) -> usize {
        let requests = (0..RIGHT).map(|_| {
            let (mfa, clock, user) = (Arc::clone(&self.mfa), self.clock.clone(), self.user.clone());
            async move {
                clock.advance(Duration::from_secs(1));
                let row = UserRow::new(user, "password 1", contact());
                mfa.begin_login(PrimaryVerified::assertion(row), &deferred()).await.unwrap()
            }
        });
        let outcomes = at_once(requests).await;
        assert_eq!(let_in(&outcomes), RIGHT);
        let told: BTreeSet<_> = outcomes.into_iter().map(|login| done(login).grace_until().unwrap()).collect();
        let begun = |kind: &&EventKind| matches!(kind, EventKind::GraceBegun { .. });
        told.len().max(self.events().iter().filter(begun).count())
    }

    fn checked(&self) -> ExternalEvidence {
        ExternalEvidence::assertion(passkey(), [AuthenticationMethod::HardwareKey], self.clock.time()).unwrap()
    }

    /// Registers the factor `count` times at once in one registration.
    async fn register_all_at_once(&self, count: usize) -> Vec<Outcome<Registration>> {
        let session = Arc::new(self.session().await);
        let cookie = self.begin_registration(&session).await.flow().unwrap().to_cookie();
        let checked = self.checked();
        let requests = (0..count).map(|_| {
            let (mfa, cookie, session) = (Arc::clone(&self.mfa), cookie.clone(), Arc::clone(&session));
            async move {
                let flow = FlowRef::<Registration>::from_cookie(&cookie).unwrap();
                mfa.assert_external(&flow, &*session, Ok(checked)).await.unwrap()
            }
        });
        at_once(requests).await
    }

    async fn registration(&self) -> usize {
        self.register_all_at_once(RIGHT).await.iter().filter(|outcome| is_in(outcome)).count()
    }

    /// Gives the host's word on the factor `count` times at once in one login.
    async fn assert_all_at_once(
        &self,
        count: usize,
        word: Result<ExternalEvidence, ExternalFactor>,
    ) -> Vec<Outcome<Login>> {
        let cookie = self.cookie(&off()).await;
        let requests = (0..count).map(|_| {
            let (mfa, cookie) = (Arc::clone(&self.mfa), cookie.clone());
            async move {
                let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
                mfa.assert_external(&flow, &off(), word).await.unwrap()
            }
        });
        at_once(requests).await
    }

    async fn assertion(&self) -> usize {
        self.register_all_at_once(1).await;
        let_in(&self.assert_all_at_once(RIGHT, Ok(self.checked())).await)
    }

    async fn failed_checks(&self) -> usize {
        self.register_all_at_once(1).await;
        self.assert_all_at_once(WRONG, Err(passkey())).await;
        self.judged()
    }
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn deferred() -> Policy {
    with_ticket().with_grace(GraceDays::new(14).unwrap())
}
