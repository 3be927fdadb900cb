//! Races for grace and for factors that the host checks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use factorgate::policy::{
    AuthenticationMethod, Channel, ExternalEvidence, ExternalFactor, FirstRegistration, GraceDays, Policy,
};
use factorgate::{Contact, EmailAddress, EventKind, Login, LoginRef, PrimaryVerified, Registration, SignedIn, Store};

use crate::lifecycle::at_once;
use crate::race::{Host, Race, judged, let_in};

const WRONG: usize = 32;
const RIGHT: usize = 16;

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
    async fn run<S: Store + 'static>(self, host: &Host<S>) -> usize {
        match self {
            Self::Grace => host.grace().await,
            Self::Assertion => host.assertion().await,
            Self::FailedChecks => host.failed_checks().await,
            Self::Registration => host.registration().await,
        }
    }
}

impl<S: Store + 'static> Host<S> {
    async fn grace(&self) -> usize {
        let requests = (0..RIGHT).map(|_| {
            let (mfa, clock, user) = (Arc::clone(&self.mfa), self.clock.clone(), self.user.clone());
            async move {
                clock.advance(Duration::from_secs(1));
                mfa.begin_login(PrimaryVerified::assertion(user), contact(), &deferred()).await.unwrap()
            }
        });
        let outcomes = at_once(requests).await;
        assert_eq!(let_in(&outcomes), RIGHT);
        let (mut told, mut written) = (BTreeSet::new(), 0);
        for login in &outcomes {
            let Login::Authenticated(passed) = login else { continue };
            told.insert(passed.grace_until().unwrap());
            let begun = |event: &&factorgate::Event| matches!(event.kind, EventKind::GraceBegun { .. });
            written += passed.events().iter().filter(begun).count();
        }
        told.len().max(written)
    }

    /// A registration in which the factor can be registered.
    async fn open_registration(&self) -> String {
        let session = SignedIn::assertion(self.user.clone());
        let begun = self.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
        let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
        enroll.flow().to_cookie().expose_secret().to_owned()
    }

    fn checked(&self) -> ExternalEvidence {
        ExternalEvidence::assertion(passkey(), [AuthenticationMethod::HardwareKey], self.clock.time()).unwrap()
    }

    async fn register_all_at_once(&self, count: usize) -> Vec<Registration> {
        let (cookie, checked) = (self.open_registration().await, self.checked());
        let requests = (0..count).map(|_| {
            let (mfa, cookie) = (Arc::clone(&self.mfa), cookie.clone());
            async move {
                let flow = factorgate::RegistrationRef::from_cookie(&cookie).unwrap();
                mfa.register_external(&flow, &checked, &off()).await.unwrap()
            }
        });
        at_once(requests).await
    }

    async fn registration(&self) -> usize {
        let outcomes = self.register_all_at_once(RIGHT).await;
        outcomes.iter().filter(|outcome| matches!(outcome, Registration::Registered(_))).count()
    }

    async fn assertion(&self) -> usize {
        self.register_all_at_once(1).await;
        let (cookie, checked) = (self.cookie(&off()).await, self.checked());
        let requests = (0..RIGHT).map(|_| {
            let (mfa, cookie) = (Arc::clone(&self.mfa), cookie.clone());
            async move {
                let flow = LoginRef::from_cookie(&cookie).unwrap();
                mfa.assert_external(&flow, &checked, &off()).await.unwrap()
            }
        });
        let_in(&at_once(requests).await)
    }

    async fn failed_checks(&self) -> usize {
        self.register_all_at_once(1).await;
        let cookie = self.cookie(&off()).await;
        let requests = (0..WRONG).map(|_| {
            let (mfa, cookie) = (Arc::clone(&self.mfa), cookie.clone());
            async move {
                let flow = LoginRef::from_cookie(&cookie).unwrap();
                mfa.external_failed(&flow, passkey(), &off()).await.unwrap()
            }
        });
        judged(&at_once(requests).await)
    }
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn deferred() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap().with_grace(GraceDays::new(14).unwrap())
}

fn off() -> Policy {
    Policy::off(FirstRegistration::AfterPassword)
}
