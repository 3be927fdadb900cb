//! Races for what happens to factors after they are registered, and for what a session owes.

use std::sync::Arc;

use factorgate::login::Registration;
use factorgate::mail::Notice;
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, Totp};
use factorgate::session::{Completion, Owing};
use factorgate::{Action, FlowRef, Login, Store};

use crate::race::host::{asked, contact, enrolling, is_in, secret_of};
use crate::race::{Host, RIGHT, Race, WRONG, admin, app, app_code, at_once, confirm, let_in};

/// A race between requests of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LifecycleRace {
    /// 16 times one recovery code, in two logins; gives how many were let in.
    RecoveryCode,
    /// Five recovery codes in five logins; gives how many were let in and have spent none.
    RecoveryCodes,
    /// 32 wrong recovery codes where those of another system were imported, each of which costs an attempt; gives how many were
    /// judged.
    WrongRecoveryCodes,
    /// 16 times the code that confirms new recovery codes; gives how often it did.
    RecoveryConfirmation,
    /// 16 times the code that confirms a device in place of another; gives how often it did.
    Replacement,
    /// 16 wrong codes while an administrator resets the factors; gives how many devices are left.
    Reset,
    /// 16 times the code that confirms the device of a recovered session; gives how often it did.
    Completion,
    /// 16 changes of a user to whom a notice is owed; gives how often it was sent or is owed.
    OwedNotice,
}

impl Race for LifecycleRace {
    async fn run<S: Store + Clone + 'static>(self, host: &Host<S>) -> usize {
        let held = async || host.register().await;
        match self {
            Self::RecoveryCode => host.one_recovery_code(&held().await).await,
            Self::RecoveryCodes => host.different_recovery_codes(&held().await).await,
            Self::RecoveryConfirmation => host.recovery_confirmation(&held().await).await,
            Self::Replacement => host.replacement(&held().await).await,
            Self::Reset => host.reset(&held().await).await,
            Self::Completion => host.completion(&held().await).await,
            Self::WrongRecoveryCodes => host.wrong_imported_codes().await,
            Self::OwedNotice => {
                held().await;
                host.owed_notice().await
            }
        }
    }
}

impl<S: Store + Clone + 'static> Host<S> {
    async fn one_recovery_code(&self, held: &Secret) -> usize {
        let codes = self.recovery_codes(held).await;
        let cookies = [self.cookie(&app()).await, self.cookie(&app()).await];
        let_in(&self.all_at_once(RIGHT, &cookies, &app(), || recovery_code(&codes[3])).await)
    }

    async fn different_recovery_codes(&self, held: &Secret) -> usize {
        let codes = self.recovery_codes(held).await;
        let mut requests = Vec::new();
        for code in codes.into_iter().take(5) {
            let (mfa, cookie) = (Arc::clone(&self.mfa), self.cookie(&app()).await);
            requests.push(async move {
                let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
                mfa.submit(&flow, &app(), recovery_code(&code)).await.unwrap()
            });
        }
        let outcomes = at_once(requests).await;
        let left = self.status().await.recovery_codes.unwrap().get();
        let_in(&outcomes) - (10 - left as usize)
    }

    async fn wrong_imported_codes(&self) -> usize {
        let device = ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default());
        let import = Import::new(device).with_recovery_code(LegacyRecoveryCode::parse("old-code-1").unwrap());
        self.mfa.admin(&admin()).import(&self.user, &import.unwrap()).await.unwrap().unwrap();
        let cookie = self.cookie(&app()).await;
        self.all_at_once(WRONG, &[cookie], &app(), || recovery_code("old-code-2")).await;
        self.judged()
    }

    async fn recovery_confirmation(&self, held: &Secret) -> usize {
        let elevated = self.elevated(held).await;
        let new = self.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
        let (session, codes) = (Arc::new(self.session().await), new.expose_secrets());
        let requests = (0..RIGHT).map(|_| {
            let (mfa, session, code) = (Arc::clone(&self.mfa), Arc::clone(&session), codes[0].expose_secret().into());
            async move { mfa.profile(&session).confirm_recovery_codes(&code).await.unwrap().is_ok() }
        });
        at_once(requests).await.into_iter().filter(|confirmed| *confirmed).count()
    }

    async fn replacement(&self, held: &Secret) -> usize {
        let (device, session) = (self.device_ids().await[0], self.session().await);
        let asked = asked(self.begin_registration(&session).await);
        enrolling(self.app_code(asked.flow(), &session, &self.code(held)).await);
        let enroll = enrolling(self.replace_app(asked.flow(), &session, device).await);
        let (cookie, new) = (asked.flow().to_cookie(), self.code(&secret_of(&enroll)));
        let outcomes = self.all_at_once_in::<Registration>(RIGHT, &[cookie], session, || confirm(&new)).await;
        let_in(&outcomes)
    }

    async fn reset(&self, held: &Secret) -> usize {
        let (cookie, wrong) = (self.cookie(&app()).await, self.wrong_code(held));
        let requests = (0..RIGHT).map(|at| {
            let (mfa, user, cookie, wrong) = (Arc::clone(&self.mfa), self.user.clone(), cookie.clone(), wrong.clone());
            async move {
                if at == 1 {
                    return drop(mfa.admin(&admin()).reset(&user, &contact()).await.unwrap());
                }
                let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
                drop(mfa.submit(&flow, &app(), app_code(&wrong)).await.unwrap());
            }
        });
        at_once(requests).await;
        self.device_ids().await.len()
    }

    async fn completion(&self, held: &Secret) -> usize {
        let codes = self.recovery_codes(held).await;
        let claims = self.recover(&codes[1], &app()).await;
        let owing: Arc<Owing> = Arc::from(self.owing(&claims, &app()).await);
        let flow = asked(self.begin_completion(&owing).await);
        let enroll = enrolling(self.register_app(flow.flow(), &owing).await);
        let (cookie, code) = (flow.flow().to_cookie(), self.code(&secret_of(&enroll)));
        let requests = (0..RIGHT).map(|_| {
            let (mfa, owing, cookie, code) = (Arc::clone(&self.mfa), Arc::clone(&owing), cookie.clone(), code.clone());
            async move {
                let flow = FlowRef::<Completion>::from_cookie(&cookie).unwrap();
                mfa.submit(&flow, &owing, confirm(&code)).await.unwrap()
            }
        });
        at_once(requests).await.iter().filter(|outcome| is_in(outcome)).count()
    }

    /// Whichever request changes the record first undertakes the mail: the others see that it was tried.
    async fn owed_notice(&self) -> usize {
        self.outbox.refuse(true);
        self.mfa.admin(&admin()).reset(&self.user, &contact()).await.unwrap();
        self.outbox.refuse(false);
        self.wait(60);
        let requests = (0..RIGHT).map(|_| {
            let (mfa, user) = (Arc::clone(&self.mfa), self.user.clone());
            async move { drop(mfa.admin(&admin()).issue_ticket(&user).await.unwrap()) }
        });
        at_once(requests).await;
        let resets = |mail: &&factorgate::testing::Sent| mail.notice == Some(Notice::FactorsReset);
        self.outbox.sent().iter().filter(resets).count() + self.status().await.owed_notices
    }
}

fn recovery_code(code: &str) -> Action {
    Action::RecoveryCode { code: code.into() }
}
