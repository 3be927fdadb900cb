//! What the engine costs, and what its futures are.

mod host;

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::blocking::{self, Ready};
use factorgate::browser::{BrowserId, BrowserName};
use factorgate::device::{DeviceId, DeviceName};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::login::{Completion, Registration, StepUp};
use factorgate::mail::{AnyMailer, Mail, Undelivered};
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Exemption, ExternalEvidence, ExternalFactor, Policy};
use factorgate::session::{AddressPermit, Owing, SessionCheck};
use factorgate::store::{AnyStore, Record, Swap, Version};
use factorgate::testing::{MailFault, MemoryStore, Outbox};
use factorgate::{
    Action, Contact, Elevated, FlowRef, Login, Mailer, Mfa, Outcome, PrimaryVerified, Refusal, Session, SessionClaims,
    Store, UserId, UserRow,
};

use host::*;

impl Host {
    /// Loads and swaps that `request` takes.
    async fn cost<T>(&self, request: impl Future<Output = T>) -> (T, (u64, u64)) {
        let before = (self.store.loads(), self.store.swaps());
        let value = request.await;
        (value, (self.store.loads() - before.0, self.store.swaps() - before.1))
    }
}

#[tokio::test]
async fn verification_costs_one_load_and_one_swap() {
    let host = Host::new();
    let secret = host.register().await;
    let (login, cost) = host.cost(host.begin(&app())).await;
    assert_eq!(cost, (1, 1), "begin");
    let asked = asked(login);
    let (_, cost) = host.cost(host.app_code(asked.flow(), &app(), &wrong(&secret))).await;
    assert_eq!(cost, (1, 1), "a wrong app code");
    let (login, cost) = host.cost(host.app_code(asked.flow(), &app(), &host.code(&secret))).await;
    assert_eq!((is_in(&login), cost), (true, (1, 1)), "a right app code");
    let again = host.challenge(&app()).await;
    let (login, cost) = host.cost(host.app_code(again.flow(), &app(), &host.code(&secret))).await;
    assert_eq!((refusal(&login), cost), (Some(Refusal::WrongCode), (1, 1)), "a used one costs what a wrong one costs");

    let host = Host::new();
    let (login, cost) = host.cost(host.begin(&email())).await;
    assert_eq!(cost, (1, 1), "a mailed code");
    let flow = login.flow().unwrap();
    let (login, cost) = host.cost(host.email_code(flow, &email(), &host.mailed())).await;
    assert_eq!((is_in(&login), cost), (true, (1, 1)), "a right e-mail code");
}

/// What a notice is sent for costs a second write: the notice is owed until it was delivered.
#[tokio::test]
async fn notice_costs_a_second_load_and_swap() {
    let host = Host::new();
    let secret = host.register().await;
    let elevated = host.elevated(&secret).await;
    let (new, cost) = host.cost(host.mfa.elevated(&elevated).new_recovery_codes()).await;
    assert_eq!(cost, (1, 1), "new codes: no notice");
    let new = new.unwrap().unwrap();
    let session = host.session().await;
    let codes: Vec<_> = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
    let (confirmed, cost) =
        host.cost(host.mfa.profile(&session).confirm_recovery_codes(&codes[0].as_str().into())).await;
    assert_eq!((confirmed.unwrap(), cost), (Ok(()), (2, 2)), "their confirmation");
    let login = host.challenge(&app()).await;
    let (_, cost) = host.cost(host.recovery_code(login.flow(), &app(), NOBODYS)).await;
    assert_eq!(cost, (1, 0), "a code that is no attempt at one of the user: no write");
    let (login, cost) = host.cost(host.recovery_code(login.flow(), &app(), &codes[1])).await;
    assert_eq!((is_in(&login), cost), (true, (2, 2)), "a right one");
    let used = host.challenge(&app()).await;
    let (_, cost) = host.cost(host.recovery_code(used.flow(), &app(), &codes[1])).await;
    assert_eq!(cost, (1, 1), "one that was used");
    let (removable, cost) = host.cost(host.mfa.profile(&session).can_remove(DeviceId::new(1))).await;
    assert_eq!((removable.unwrap(), cost), (Ok(()), (1, 0)), "the question whether a device may go");

    let host = Host::new();
    host.outbox.set_fault(Some(MailFault::Refused));
    let (login, cost) = host.cost(host.begin(&email())).await;
    assert_eq!((refusal(&login), cost), (Some(Refusal::MailRefused), (2, 2)), "a code that the mail system refuses");
}

#[tokio::test]
async fn trust_costs_one_swap_a_use_and_a_session_costs_one_load() {
    let (host, policy) = (Host::new(), app().with_trusted_browsers());
    let secret = host.register().await;
    let claims = host.log_in(&secret, &policy).await;
    let (check, cost) = host.cost(host.check(&claims, &policy)).await;
    assert_eq!(cost, (1, 0), "a look at a session");
    let session = check.into_session().unwrap();

    let name = BrowserName::new("Firefox").unwrap();
    let (token, cost) = host.cost(host.mfa.profile(&session).trust_browser(&name)).await;
    assert_eq!(cost, (2, 2), "trust, with its notice");
    let cookie = token.unwrap().unwrap().to_cookie();
    let (login, cost) = host.cost(host.begin_from(&policy, Some(&cookie))).await;
    assert_eq!((is_in(&login), cost), (true, (1, 1)), "a login from a trusted browser");
    let (login, cost) = host.cost(host.begin_from(&policy, Some(&cookie))).await;
    assert_eq!((is_in(&login), cost), (true, (1, 0)), "a second one in parallel: nothing is replaced");

    let (fresh, cost) = host.cost(host.step_up(&session, Duration::from_secs(30))).await;
    assert_eq!((is_in(&fresh), cost), (true, (1, 0)), "a step-up whose proof is fresh");
    let (begun, cost) = host.cost(host.step_up(&session, Duration::ZERO)).await;
    assert_eq!(cost, (1, 1), "a step-up begins");
    let flow = begun.flow().unwrap();
    let (passed, cost) = host.cost(host.app_code(flow, &session, &host.code(&secret))).await;
    assert_eq!(cost, (1, 1), "and is completed");
    let elevated = done(passed);
    let (name, dangerous) = (DeviceName::new("Mine").unwrap(), host.mfa.elevated(&elevated));
    let (renamed, cost) = host.cost(dangerous.rename_device(DeviceId::new(1), &name)).await;
    assert_eq!((renamed.unwrap(), cost), (Ok(()), (1, 1)), "what is done on it");
    let (permit, cost) = host.cost(dangerous.permit_address_change()).await;
    assert_eq!((permit.unwrap().is_ok(), cost), (true, (2, 2)), "and with a notice");
}

#[tokio::test]
async fn request_that_changes_nothing_writes_nothing() {
    let host = Host::new();
    let (login, cost) = host.cost(host.begin(&off())).await;
    assert_eq!((is_in(&login), cost), (true, (1, 0)), "a login that owes nothing");

    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    let (_, cost) = host.cost(host.mfa.resume(asked.flow(), &app())).await;
    assert_eq!(cost, (1, 0), "a look");
    for malformed in ["12345678", "12345x"] {
        let (login, cost) = host.cost(host.app_code(asked.flow(), &app(), malformed)).await;
        assert_eq!((refusal(&login), cost), (Some(Refusal::Malformed), (1, 0)), "a code of another form");
    }
    let (_, cost) = host.cost(host.send_email(asked.flow(), &app())).await;
    assert_eq!(cost, (1, 0), "a step that is not open");
    let (_, cost) = host.cost(host.status()).await;
    assert_eq!(cost, (1, 0), "a status");

    for _ in 0..5 {
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
    }
    let (login, cost) = host.cost(host.app_code(asked.flow(), &app(), &host.code(&secret))).await;
    assert_eq!((is_locked(&login), cost), (true, (1, 0)), "a code during a lock");
}

/// Compiles only if the future of every operation can go to another thread.
#[allow(dead_code, unused_must_use)]
fn futures_are_send<S: Store, M: Mailer>(mfa: &Mfa<S, M>) {
    fn send<T: Send>(_: T) {}
    fn make<T>() -> T {
        unreachable!("only compiled")
    }
    let (login, completion): (FlowRef<Login>, FlowRef<Completion>) = (make(), make());
    let (registration, step_up): (FlowRef<Registration>, FlowRef<StepUp>) = (make(), make());
    let (policy, claims, row, session): (Policy, SessionClaims, UserRow, Session) = (make(), make(), make(), make());
    let (owing, elevated, by, user): (Owing, Elevated, Administrator, UserId) = (make(), make(), make(), make());
    let (contact, checked, factor): (Contact, ExternalEvidence, ExternalFactor) = (make(), make(), make());
    send(mfa.begin_login(make(), &policy));
    send(mfa.submit(&login, &policy, Action::Cancel));
    send(mfa.submit(&completion, &owing, Action::SendEmailCode));
    send(mfa.submit(&registration, &session, Action::RegisterApp { replace: None }));
    send(mfa.submit(&step_up, &session, Action::Cancel));
    send(mfa.resume(&login, &policy));
    send(mfa.assert_external(&step_up, &session, Ok(checked)));
    send(mfa.assert_external(&login, &policy, Err(factor)));
    send(mfa.check_session(&claims, &row, &policy));
    send(mfa.begin_completion(&owing));

    let profile = mfa.profile(&session);
    let (browser_name, device_name): (BrowserName, DeviceName) = (make(), make());
    send(profile.status());
    send(profile.begin_registration());
    send(profile.begin_step_up(Duration::ZERO));
    send(profile.confirm_recovery_codes(&make()));
    send(profile.can_remove(DeviceId::new(1)));
    send(profile.trust_browser(&browser_name));
    send(profile.revoke_browser(BrowserId::new(1)));
    send(profile.forget_browsers());
    send(profile.sign_out_elsewhere());
    send(profile.password_changed(&row));

    let dangerous = mfa.elevated(&elevated);
    send(dangerous.new_recovery_codes());
    send(dangerous.rename_device(DeviceId::new(1), &device_name));
    send(dangerous.remove_device(DeviceId::new(1)));
    send(dangerous.remove_external(factor));
    send(dangerous.permit_address_change());
    send(dangerous.finish_address_change(make::<AddressPermit>(), &row));
    send(dangerous.erase_user());

    let (admin, exemption, import): (_, Exemption, Import) = (mfa.admin(&by), make(), make());
    send(admin.status(&user));
    send(admin.issue_ticket(&user));
    send(admin.reset(&user, &contact));
    send(admin.account_changed(&row));
    send(admin.end_sessions(&user));
    send(admin.erase_user(&user));
    send(admin.exempt(&user, Some(&exemption)));
    send(admin.register_external(&user, factor, &contact));
    send(admin.import(&user, &import));
    send(admin.export(&user));

    let maintenance = mfa.maintenance();
    send(maintenance.send_owed_notices(&user));
    send(maintenance.send_all_owed_notices(Vec::new(), |_, _| ControlFlow::Continue(())));
    send(maintenance.forget_tombstone(&user));
    send(maintenance.reencrypt(&user));
    send(maintenance.reencrypt_all(Vec::new(), |_, _| ControlFlow::Continue(())));
    send(maintenance.key_usage(&user));
    send(maintenance.coverage(Vec::new(), &policy, |_| ControlFlow::Continue(())));
}

#[test]
fn engine_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Mfa<MemoryStore, Outbox>>();
    shared::<Mfa<AnyStore, AnyMailer>>();
    shared::<Mfa<Ready<&'static BlockingStore>, Ready<&'static BlockingMailer>>>();
    shared::<Outcome<Login>>();
    shared::<SessionCheck>();
}

#[tokio::test]
async fn store_and_mailer_can_be_chosen_at_run_time() {
    let (store, outbox) = (MemoryStore::new(), Outbox::new());
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let (any_store, any_mailer) = (AnyStore::new(store.clone()), AnyMailer::new(outbox.clone()));
    let mfa = Mfa::builder(any_store, any_mailer, keys, Issuer::new("ACME").unwrap()).build().unwrap();
    let asked = asked(mfa.begin_login(PrimaryVerified::assertion(row_of("alice")), &email()).await.unwrap());
    let code = Action::EmailCode { code: outbox.last_code().unwrap().into() };
    assert!(is_in(&mfa.submit(asked.flow(), &email(), code).await.unwrap()));
}

/// A store and a mailer of a host without an executor.
struct BlockingStore(Mutex<Option<Record>>);
struct BlockingMailer(Mutex<String>);

impl blocking::Store for &'static BlockingStore {
    type Error = std::io::Error;

    fn load(&self, _: &UserId) -> Result<Option<Record>, Self::Error> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn compare_and_swap(&self, _: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Self::Error> {
        let mut stored = self.0.lock().unwrap();
        if stored.as_ref().map(Record::version) != expected {
            return Ok(Swap::Conflict);
        }
        *stored = Some(next.clone());
        Ok(Swap::Applied)
    }
}

impl blocking::Mailer for &'static BlockingMailer {
    type Error = std::io::Error;

    fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
        if let Mail::Code(mail) = mail {
            mail.code.expose_secret().expose_secret().clone_into(&mut self.0.lock().unwrap());
        }
        Ok(())
    }
}

/// The whole engine is the asynchronous one: a host without an executor runs the same operations.
#[test]
fn host_without_an_executor_signs_in() {
    static STORE: BlockingStore = BlockingStore(Mutex::new(None));
    static MAILER: BlockingMailer = BlockingMailer(Mutex::new(String::new()));
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let issuer = Issuer::new("ACME").unwrap();
    let mfa = Mfa::builder(Ready(&STORE), Ready(&MAILER), keys, issuer).build().unwrap();
    let row = || row_of("alice");
    let (by, policy) = (admin(), email());
    mfa.wait(async {
        let asked = asked(mfa.begin_login(PrimaryVerified::assertion(row()), &policy).await.unwrap());
        let code = Action::EmailCode { code: MAILER.0.lock().unwrap().as_str().into() };
        let passed = done(mfa.submit(asked.flow(), &policy, code).await.unwrap());
        let claims = passed.into_session(&row()).unwrap();
        let session = mfa.check_session(&claims, &row(), &policy).await.unwrap().into_session().unwrap();
        let profile = mfa.profile(&session);
        assert!(is_in(&profile.begin_step_up(Duration::from_secs(60)).await.unwrap()));
        let trust = profile.trust_browser(&BrowserName::new("Firefox").unwrap()).await.unwrap();
        assert_eq!(trust.err(), Some(Refusal::TrustNotAllowed));

        let device = ImportedDevice::new(Secret::from_bytes(&[1; 20]).unwrap(), Totp::default());
        mfa.admin(&by).import(&alice(), &Import::new(device)).await.unwrap().unwrap();
        let reencrypted = mfa.maintenance().reencrypt_all([alice()], |_, _| ControlFlow::Continue(())).await;
        assert_eq!((reencrypted.total.current, reencrypted.failed), (1, 0));
        let users = [(alice(), contact())];
        let covered = mfa.maintenance().coverage(users, &policy, |_| ControlFlow::Continue(())).await;
        assert_eq!((covered.total.registered(), covered.failed), (1, 0));
    });
}
