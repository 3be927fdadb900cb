use std::pin::Pin;
use std::sync::Arc;

use factorgate::mail::AnyMailer;
use factorgate::policy::{ExternalEvidence, Policy};
use factorgate::session::{Owing, SessionCheck, StepUp};
use factorgate::store::{AnyError, AnyStore};
use factorgate::{
    Action, Authenticated, Elevated, Flow, FlowRef, Login, Mailer, Mfa, MfaError, Outcome, PrimaryVerified, Session,
    SessionClaims, Store, UserId, UserRow,
};

type Engine = Mfa<AnyStore, AnyMailer>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn send<T: Send>(value: T) -> T {
    value
}

fn shared<T: Send + Sync + 'static>() {}

pub fn types() {
    shared::<Engine>();
    shared::<Authenticated>();
    shared::<Elevated>();
    shared::<Session>();
    shared::<SessionCheck>();
    shared::<FlowRef<Login>>();
    shared::<AnyError>();
    shared::<MfaError<AnyStore, AnyMailer>>();
    send(None::<Outcome<StepUp>>);
}

pub fn erased(store: impl Store + 'static, mailer: impl Mailer + 'static) -> (AnyStore, AnyMailer) {
    (AnyStore::new(store), AnyMailer::new(mailer))
}

pub fn login(mfa: &'static Engine, primary: PrimaryVerified, policy: &'static Policy) {
    drop(send(mfa.begin_login(primary, policy)));
}

pub fn session(mfa: &'static Engine, claims: &'static SessionClaims, row: &'static UserRow, policy: &'static Policy) {
    drop(send(mfa.check_session(claims, row, policy)));
}

pub fn profile(mfa: &'static Engine, session: &'static Session, owing: &'static Owing) {
    drop(send(mfa.begin_completion(owing)));
    drop(send(async { mfa.profile(session).status().await }));
    drop(send(async { mfa.profile(session).begin_registration().await }));
}

pub fn dangerous(mfa: &'static Engine, elevated: &'static Elevated, user: &'static UserId) {
    drop(send(async { mfa.elevated(elevated).new_recovery_codes().await }));
    drop(send(async { mfa.maintenance().send_owed_notices(user).await }));
}

/// A host that is generic in the store, the mailer and the kind of flow can spawn the future.
pub fn submit<S: Store + 'static, M: Mailer + 'static, F: Flow>(
    mfa: Arc<Mfa<S, M>>,
    flow: FlowRef<F>,
    by: Arc<F::By>,
    action: Action,
) -> Boxed<Option<Outcome<F>>> {
    Box::pin(async move { mfa.submit(&flow, &by, action).await.ok() })
}

pub fn external<S: Store + 'static, M: Mailer + 'static, F: Flow>(
    mfa: Arc<Mfa<S, M>>,
    flow: FlowRef<F>,
    by: Arc<F::By>,
    evidence: ExternalEvidence,
) -> Boxed<Option<Outcome<F>>> {
    Box::pin(async move { mfa.assert_external(&flow, &by, Ok(evidence)).await.ok() })
}

pub fn any_error(error: MfaError<AnyStore, AnyMailer>) -> Box<dyn std::error::Error + Send + Sync> {
    error.into()
}
