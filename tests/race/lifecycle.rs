//! Races for what happens to factors after they are registered.

use std::sync::Arc;
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::testing::Outbox;
use factorgate::{
    Change, Code, Contact, DeviceName, EmailAddress, Enroll, Login, LoginRef, Mfa, RecoveryCode, Registration,
    RegistrationRef, Secret, SignedIn, Store, Timestamp,
};

use crate::race::{Host, Race, admin, app, judged, let_in};

const WRONG: usize = 32;
const RIGHT: usize = 16;

/// A race between requests of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LifecycleRace {
    /// 16 times one recovery code, in two logins; gives how many were let in.
    RecoveryCode,
    /// Five recovery codes in five logins; gives how many were let in and have spent none.
    RecoveryCodes,
    /// 32 wrong recovery codes; gives how many were judged.
    WrongRecoveryCodes,
    /// 16 times one app code for new recovery codes; gives how often they were made.
    NewRecoveryCodes,
    /// 16 times the code that confirms new recovery codes; gives how often it did.
    RecoveryConfirmation,
    /// 16 times the code that confirms a device in place of another; gives how often it did.
    Replacement,
    /// 16 wrong codes while an administrator resets the factors; gives how many devices are left.
    Reset,
}

impl Race for LifecycleRace {
    async fn run<S: Store + 'static>(self, host: &Host<S>) -> usize {
        let held = host.register().await;
        match self {
            Self::RecoveryCode => host.recovery_code(&held).await,
            Self::RecoveryCodes => host.different_recovery_codes(&held).await,
            Self::WrongRecoveryCodes => host.wrong_recovery_codes(&held).await,
            Self::NewRecoveryCodes => host.new_recovery_codes(&held).await,
            Self::RecoveryConfirmation => host.recovery_confirmation(&held).await,
            Self::Replacement => host.replacement(&held).await,
            Self::Reset => host.reset(&held).await,
        }
    }
}

type Engine<S> = Arc<Mfa<S, Outbox>>;

/// Sends all requests at the same time.
pub(crate) async fn at_once<T: Send + 'static>(
    requests: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

impl<S: Store + 'static> Host<S> {
    fn session(&self) -> SignedIn {
        SignedIn::assertion(self.user.clone())
    }

    fn text(&self, secret: &Secret, at: Timestamp) -> String {
        Totp::default().generate(secret, at).unwrap().expose_secret().expose_secret().to_owned()
    }

    fn now(&self, secret: &Secret) -> String {
        self.text(secret, self.clock.time())
    }

    /// New recovery codes that wait for their confirmation.
    async fn shown(&self, held: &Secret) -> Vec<String> {
        let code = Code::parse(&self.now(held)).unwrap();
        let shown = self.mfa.begin_recovery_codes(&self.session(), &code).await.unwrap();
        let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
        self.clock.advance(Duration::from_secs(30));
        new.codes.iter().map(|code| code.expose_secret().expose_secret().to_owned()).collect()
    }

    async fn in_force(&self, held: &Secret) -> Vec<String> {
        let codes = self.shown(held).await;
        let one = RecoveryCode::parse(&codes[0]).unwrap();
        let done = self.mfa.confirm_recovery_codes(&self.session(), &one, contact()).await.unwrap();
        assert!(matches!(done, Change::Made { .. }), "{done:?}");
        codes
    }

    async fn recovery_code(&self, held: &Secret) -> usize {
        let codes = self.in_force(held).await;
        let cookies = [self.cookie(&app()).await, self.cookie(&app()).await];
        let pairs = cookies.iter().cycle().take(RIGHT).map(|cookie| (cookie.clone(), codes[3].clone()));
        let_in(&at_once(pairs.map(|(cookie, code)| recover(Arc::clone(&self.mfa), cookie, code))).await)
    }

    async fn different_recovery_codes(&self, held: &Secret) -> usize {
        let codes = self.in_force(held).await;
        let mut requests = Vec::new();
        for code in codes.into_iter().take(5) {
            requests.push(recover(Arc::clone(&self.mfa), self.cookie(&app()).await, code));
        }
        let outcomes = at_once(requests).await;
        let left = self.mfa.status(&self.user).await.unwrap().recovery_codes.unwrap().get();
        let_in(&outcomes) - (10 - left as usize)
    }

    async fn wrong_recovery_codes(&self, held: &Secret) -> usize {
        self.in_force(held).await;
        let cookie = self.cookie(&app()).await;
        let wrong = || recover(Arc::clone(&self.mfa), cookie.clone(), "0000-0000-0000-0000".to_owned());
        judged(&at_once((0..WRONG).map(|_| wrong())).await)
    }

    async fn new_recovery_codes(&self, held: &Secret) -> usize {
        let request = |mfa: Engine<S>, session: SignedIn, code: String| async move {
            let change = mfa.begin_recovery_codes(&session, &Code::parse(&code).unwrap()).await.unwrap();
            matches!(change, Change::Made { .. })
        };
        let requests = (0..RIGHT).map(|_| request(Arc::clone(&self.mfa), self.session(), self.now(held)));
        made(&at_once(requests).await)
    }

    async fn recovery_confirmation(&self, held: &Secret) -> usize {
        let codes = self.shown(held).await;
        let request = |mfa: Engine<S>, session: SignedIn, code: String| async move {
            let code = RecoveryCode::parse(&code).unwrap();
            let change = mfa.confirm_recovery_codes(&session, &code, contact()).await.unwrap();
            matches!(change, Change::Made { .. })
        };
        let requests = (0..RIGHT).map(|_| request(Arc::clone(&self.mfa), self.session(), codes[0].clone()));
        made(&at_once(requests).await)
    }

    async fn replacement(&self, held: &Secret) -> usize {
        let device = self.mfa.devices(&self.user).await.unwrap()[0].id;
        let begun = self.mfa.begin_registration(&self.session(), contact(), &app()).await.unwrap();
        let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
        let code = Code::parse(&self.now(held)).unwrap();
        let proved = self.mfa.verify_app_code(asked.flow(), &code, &app()).await.unwrap();
        let Registration::Enroll(enroll) = proved else { panic!("{proved:?}") };
        let named = self.mfa.replace_device(enroll.flow(), device, &app()).await.unwrap();
        assert!(matches!(named, Registration::Enroll(_)), "{named:?}");
        let request = |mfa: Engine<S>, cookie: String, code: String| async move {
            let (flow, code) = (RegistrationRef::from_cookie(&cookie).unwrap(), Code::parse(&code).unwrap());
            let done = mfa.confirm_app_enrollment(&flow, &code, &DeviceName::default(), &app()).await.unwrap();
            matches!(done, Registration::Registered(_))
        };
        let cookie = enroll.flow().to_cookie();
        let new = self.now(&secret_of(&enroll));
        let requests =
            (0..RIGHT).map(|_| request(Arc::clone(&self.mfa), cookie.expose_secret().to_owned(), new.clone()));
        made(&at_once(requests).await)
    }

    async fn reset(&self, held: &Secret) -> usize {
        let cookie = self.cookie(&app()).await;
        let wrong = self.wrong_code(held);
        let request = |mfa: Engine<S>, user, cookie: String, wrong: Option<String>| async move {
            let Some(wrong) = wrong else {
                return drop(mfa.reset_by_admin(&user, &admin(), contact()).await.unwrap());
            };
            let flow = LoginRef::from_cookie(&cookie).unwrap();
            drop(mfa.verify_app_code(&flow, &Code::parse(&wrong).unwrap(), &app()).await.unwrap());
        };
        let requests = (0..RIGHT).map(|at| {
            let wrong = Some(wrong.clone()).filter(|_| at != 1);
            request(Arc::clone(&self.mfa), self.user.clone(), cookie.clone(), wrong)
        });
        at_once(requests).await;
        self.mfa.devices(&self.user).await.unwrap().len()
    }
}

async fn recover<S: Store>(mfa: Engine<S>, cookie: String, code: String) -> Login {
    let (flow, code) = (LoginRef::from_cookie(&cookie).unwrap(), RecoveryCode::parse(&code).unwrap());
    mfa.verify_recovery_code(&flow, &code, &app()).await.unwrap()
}

fn made(outcomes: &[bool]) -> usize {
    outcomes.iter().filter(|made| **made).count()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn secret_of(enroll: &Enroll<RegistrationRef>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}
