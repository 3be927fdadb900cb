//! What the engine costs, what its futures are, and which module may import which.

mod host;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use factorgate::moving::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Exemption, ExternalEvidence, ExternalFactor, FirstRegistration, Policy};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{
    AddressChange, Administrator, AnyMailer, AnyStore, Authenticated, BrowserId, BrowserName, BrowserToken, Change,
    Code, Contact, DeviceId, DeviceName, Elevated, EmailAddress, Imported, Login, LoginRef, Mailer, Mfa, OsRandom,
    PrimaryVerified, RecoveryCode, RegistrationRef, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn,
    StepUp, StepUpRef, Store, Ticket, Timestamp, Trust, UserId,
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
async fn one_verification_is_one_load_and_one_swap() {
    let host = Host::new();
    let secret = host.register().await;
    let (login, cost) = host.cost(host.begin(&app())).await;
    assert_eq!(cost, (1, 1), "begin");
    let Login::Challenge(asked) = login else { panic!("{login:?}") };

    let wrong = Totp::default().generate(&secret, Timestamp::from_secs(0)).unwrap();
    let (_, cost) = host.cost(host.mfa.verify_app_code(asked.flow(), &wrong, &app())).await;
    assert_eq!(cost, (1, 1), "a wrong app code");
    let right = Totp::default().generate(&secret, host.clock.time()).unwrap();
    let (login, cost) = host.cost(host.mfa.verify_app_code(asked.flow(), &right, &app())).await;
    assert_eq!(cost, (1, 1), "a right app code");
    assert!(matches!(login.unwrap(), Login::Authenticated(_)));

    let host = Host::new();
    let Login::Challenge(asked) = host.begin(&email()).await else { panic!() };
    let code = Code::parse(&host.outbox.last_code().unwrap()).unwrap();
    let (login, cost) = host.cost(host.mfa.verify_email_code(asked.flow(), &code, &email())).await;
    assert_eq!(cost, (1, 1), "a right e-mail code");
    assert!(matches!(login.unwrap(), Login::Authenticated(_)));
}

#[tokio::test]
async fn a_recovery_code_is_one_load_and_one_swap_too() {
    let host = Host::new();
    let secret = host.register().await;
    let session = SignedIn::assertion(alice());
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let code = Totp::default().generate(&secret, host.clock.time()).unwrap();
    let (shown, cost) = host.cost(host.mfa.begin_recovery_codes(&session, &code)).await;
    assert_eq!(cost, (1, 1), "new codes");
    let Change::Made { value: new, .. } = shown.unwrap() else { panic!() };
    let codes: Vec<_> = new.codes.iter().collect();
    let (_, cost) = host.cost(host.mfa.confirm_recovery_codes(&session, codes[0], contact.clone())).await;
    assert_eq!(cost, (1, 1), "their confirmation");
    let Login::Challenge(asked) = host.begin(&app()).await else { panic!() };
    let wrong = RecoveryCode::parse("0000-0000-0000-0000").unwrap();
    let (_, cost) = host.cost(host.mfa.verify_recovery_code(asked.flow(), &wrong, &app())).await;
    assert_eq!(cost, (1, 1), "a wrong one");
    let (login, cost) = host.cost(host.mfa.verify_recovery_code(asked.flow(), codes[1], &app())).await;
    assert_eq!(cost, (1, 1), "a right one");
    assert!(matches!(login.unwrap(), Login::Authenticated(_)));
    let Login::Challenge(asked) = host.begin(&app()).await else { panic!() };
    let (_, cost) = host.cost(host.mfa.verify_recovery_code(asked.flow(), codes[1], &app())).await;
    assert_eq!(cost, (1, 0), "one that was used");
    let (_, cost) = host.cost(host.mfa.can_remove(&alice(), DeviceId::new(1), &contact, &app())).await;
    assert_eq!(cost, (1, 0), "the question whether a device may go");
}

#[tokio::test]
async fn trust_and_a_step_up_cost_one_load_and_one_swap_and_a_look_at_a_session_one_load() {
    let (host, policy) = (Host::new(), app().with_trusted_browsers());
    let secret = host.register().await;
    let begin = async |browser: Option<&BrowserToken>| {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        host.mfa.begin_login_from(PrimaryVerified::assertion(alice()), contact, &policy, browser).await.unwrap()
    };
    let Login::Challenge(asked) = begin(None).await else { panic!() };
    let code = Totp::default().generate(&secret, host.clock.time()).unwrap();
    let login = host.mfa.verify_app_code(asked.flow(), &code, &policy).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    host.clock.advance(Duration::from_secs(30));

    let name = BrowserName::new("Firefox").unwrap();
    let (trust, cost) = host.cost(host.mfa.trust_browser(&passed, &name, &policy)).await;
    let Trust::Trusted { token, .. } = trust.unwrap() else { panic!() };
    assert_eq!(cost, (1, 1), "trust");
    let (login, cost) = host.cost(begin(Some(&token))).await;
    let Login::Authenticated(_) = login else { panic!("{login:?}") };
    assert_eq!(cost, (1, 1), "a login from a trusted browser");
    let (login, cost) = host.cost(begin(Some(&token))).await;
    let Login::Authenticated(_) = login else { panic!("{login:?}") };
    assert_eq!(cost, (1, 0), "a second one in parallel: nothing is replaced");

    let claims = passed.session().rotated();
    let (session, cost) = host.cost(host.mfa.check_session(&claims)).await;
    assert!(matches!(session.unwrap(), Session::Valid(_)));
    assert_eq!(cost, (1, 0), "a look at a session");
    let step_up = async |freshness| {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        host.mfa.begin_step_up(&claims, contact, &policy, freshness).await.unwrap()
    };
    let (fresh, cost) = host.cost(step_up(Duration::from_secs(30))).await;
    let StepUp::Fresh(_) = fresh else { panic!("{fresh:?}") };
    assert_eq!(cost, (1, 0), "a step-up whose proof is fresh");
    let (begun, cost) = host.cost(step_up(Duration::ZERO)).await;
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(cost, (1, 1), "a step-up begins");
    let code = Totp::default().generate(&secret, host.clock.time()).unwrap();
    let (done, cost) = host.cost(host.mfa.verify_app_code(asked.flow(), &code, &policy)).await;
    let StepUp::Fresh(elevated) = done.unwrap() else { panic!() };
    assert_eq!(cost, (1, 1), "and is completed");
    let (change, cost) = host.cost(host.mfa.permit_address_change(&elevated)).await;
    assert!(matches!(change.unwrap(), AddressChange::Permitted { .. }));
    assert_eq!(cost, (1, 1), "what is done on it");
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let host = Host::new();
    let off = Policy::off(FirstRegistration::AfterPassword);
    let (login, cost) = host.cost(host.begin(&off)).await;
    assert!(matches!(login, Login::Authenticated(_)));
    assert_eq!(cost, (1, 0), "a login that owes nothing");

    let secret = host.register().await;
    let Login::Challenge(asked) = host.begin(&app()).await else { panic!() };
    let (_, cost) = host.cost(host.mfa.resume(asked.flow(), &app())).await;
    assert_eq!(cost, (1, 0), "a look");
    let malformed = Code::parse("12345678").unwrap();
    let (_, cost) = host.cost(host.mfa.verify_app_code(asked.flow(), &malformed, &app())).await;
    assert_eq!(cost, (1, 0), "a code of another length");
    let (_, cost) = host.cost(host.mfa.send_email_code(asked.flow(), &app())).await;
    assert_eq!(cost, (1, 0), "a step that is not open");

    let wrong = Totp::default().generate(&secret, Timestamp::from_secs(0)).unwrap();
    for _ in 0..5 {
        let _ = host.mfa.verify_app_code(asked.flow(), &wrong, &app()).await.unwrap();
    }
    let right = Totp::default().generate(&secret, host.clock.time()).unwrap();
    let (login, cost) = host.cost(host.mfa.verify_app_code(asked.flow(), &right, &app())).await;
    assert!(matches!(login.unwrap(), Login::Denied(_)));
    assert_eq!(cost, (1, 0), "a code while the user is locked");
    let (_, cost) = host.cost(host.begin(&app())).await;
    assert_eq!(cost, (1, 0), "a login while the user is locked");
}

/// Compiles only if the future of every operation can go to another thread.
#[allow(dead_code)]
fn futures_are_send<S: Store, M: Mailer>(mfa: &Mfa<S, M>, login: &LoginRef, registration: &RegistrationRef) {
    fn send<T: Send>(_: T) {}
    fn make<T>() -> T {
        unreachable!("only compiled")
    }
    let (policy, code, ticket, name, session): (Policy, Code, Ticket, DeviceName, SignedIn) =
        (make(), make(), make(), make(), make());
    let (admin, recovery, contact): (Administrator, RecoveryCode, Contact) = (make(), make(), make());
    let (browser, name_of_browser, claims, elevated, passed, step_up): (
        BrowserToken,
        BrowserName,
        SessionClaims,
        Elevated,
        Authenticated,
        StepUpRef,
    ) = (make(), make(), make(), make(), make(), make());
    send(mfa.begin_login(make(), make(), &policy));
    send(mfa.begin_login_from(make(), make(), &policy, Some(&browser)));
    send(mfa.begin_step_up(&claims, make(), &policy, Duration::ZERO));
    send(mfa.verify_app_code(&step_up, &code, &policy));
    send(mfa.check_session(&claims));
    send(mfa.remove_device_with(&elevated, DeviceId::new(1), make(), &policy));
    send(mfa.begin_recovery_codes_with(&elevated));
    send(mfa.permit_address_change(&elevated));
    send(mfa.trust_browser(&passed, &name_of_browser, &policy));
    send(mfa.browsers(login.user()));
    send(mfa.revoke_browser(login.user(), BrowserId::new(1)));
    send(mfa.revoke_browsers(login.user()));
    send(mfa.begin_registration(&session, make(), &policy));
    send(mfa.resume(login, &policy));
    send(mfa.cancel(registration));
    send(mfa.send_email_code(login, &policy));
    send(mfa.verify_email_code(registration, &code, &policy));
    send(mfa.verify_app_code(login, &code, &policy));
    send(mfa.redeem_ticket(login, &ticket, &policy));
    send(mfa.begin_app_enrollment(login, &policy));
    send(mfa.confirm_app_enrollment(login, &code, &name, &policy));
    send(mfa.remove_device(&session, DeviceId::new(1), &code, make(), &policy));
    send(mfa.status(login.user()));
    send(mfa.devices(login.user()));
    send(mfa.issue_ticket(login.user(), &admin));
    send(mfa.verify_app_code_of(login, DeviceId::new(1), &code, &policy));
    send(mfa.verify_recovery_code(login, &recovery, &policy));
    send(mfa.begin_recovery_codes(&session, &code));
    send(mfa.confirm_recovery_codes(&session, &recovery, make()));
    send(mfa.rename_device(&session, DeviceId::new(1), &name, &code));
    send(mfa.replace_device(registration, DeviceId::new(1), &policy));
    send(mfa.can_remove(login.user(), DeviceId::new(1), &contact, &policy));
    send(mfa.reset_by_admin(login.user(), &admin, make()));
    send(mfa.revoke_logins(login.user()));
    let (checked, factor, exemption): (ExternalEvidence, ExternalFactor, Exemption) = (make(), make(), make());
    send(mfa.register_external(registration, &checked, &policy));
    send(mfa.register_external_by_admin(login.user(), factor, &admin, make()));
    send(mfa.assert_external(&step_up, &checked, &policy));
    send(mfa.external_failed(login, factor, &policy));
    send(mfa.remove_external(&elevated, factor, make(), &policy));
    send(mfa.grant_exemption(login.user(), &exemption, &admin));
    send(mfa.withdraw_exemption(login.user(), &admin));
    let (import, legacy): (Import, LegacyRecoveryCode) = (make(), make());
    send(mfa.import(login.user(), &import, &admin));
    send(mfa.verify_legacy_recovery_code(login, &legacy, &policy));
    send(mfa.export(login.user(), &admin));
    send(mfa.reseal(login.user()));
    send(mfa.reseal_all(Vec::new(), |_, _| ControlFlow::Continue(())));
    send(mfa.key_usage(login.user()));
    send(mfa.coverage(Vec::new(), &policy, |_| ControlFlow::Continue(())));
}

#[test]
fn the_engine_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Mfa<MemoryStore, Outbox>>();
    shared::<Mfa<AnyStore, AnyMailer>>();
    shared::<factorgate::blocking::Mfa<BlockingStore, BlockingMailer>>();
    shared::<Login>();
}

#[tokio::test]
async fn a_store_and_a_mailer_can_be_chosen_at_run_time() {
    let (store, outbox) = (MemoryStore::new(), Outbox::new());
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let (any_store, any_mailer) = (AnyStore::new(store.clone()), AnyMailer::new(outbox.clone()));
    let mfa = Mfa::builder(any_store, any_mailer, keys, Issuer::new("ACME").unwrap()).build().unwrap();
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let login = mfa.begin_login(PrimaryVerified::assertion(alice()), contact, &email()).await.unwrap();
    let Login::Challenge(asked) = login else { panic!("{login:?}") };
    let code = Code::parse(&outbox.last_code().unwrap()).unwrap();
    let login = mfa.verify_email_code(asked.flow(), &code, &email()).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)));
}

/// The stores for tests as a host without an executor sees them.
struct BlockingStore(std::sync::Mutex<Option<factorgate::Record>>);
struct BlockingMailer(std::sync::Mutex<String>);

impl factorgate::blocking::Store for &'static BlockingStore {
    type Error = std::io::Error;

    fn load(&self, _: &UserId) -> Result<Option<factorgate::Record>, Self::Error> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn compare_and_swap(
        &self,
        _: &UserId,
        expected: Option<factorgate::Version>,
        next: &factorgate::Record,
    ) -> Result<factorgate::Swap, Self::Error> {
        let mut stored = self.0.lock().unwrap();
        if stored.as_ref().map(factorgate::Record::version) != expected {
            return Ok(factorgate::Swap::Conflict);
        }
        *stored = Some(next.clone());
        Ok(factorgate::Swap::Applied)
    }
}

impl factorgate::blocking::Mailer for &'static BlockingMailer {
    type Error = std::io::Error;

    fn send(&self, mail: factorgate::Mail<'_>) -> Result<(), factorgate::Undelivered<Self::Error>> {
        mail.text().expose_secret().clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

#[test]
fn a_host_without_an_executor_logs_in_by_the_same_code() {
    static STORE: BlockingStore = BlockingStore(std::sync::Mutex::new(None));
    static MAILER: BlockingMailer = BlockingMailer(std::sync::Mutex::new(String::new()));
    use factorgate::blocking::Mfa;
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::new(Mfa::builder(&STORE, &MAILER, keys, Issuer::new("ACME").unwrap()).build().unwrap());
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let login = mfa.begin_login(PrimaryVerified::assertion(alice()), contact, &email()).unwrap();
    let Login::Challenge(asked) = login else { panic!("{login:?}") };
    let code = Code::parse(MAILER.0.lock().unwrap().lines().next().unwrap()).unwrap();
    let login = mfa.verify_email_code(asked.flow(), &code, &email()).unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    let claims = passed.session().rotated();
    assert!(matches!(mfa.check_session(&claims).unwrap(), Session::Valid(_)));
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let fresh = mfa.begin_step_up(&claims, contact, &email(), Duration::from_secs(60)).unwrap();
    assert!(matches!(fresh, StepUp::Fresh(_)), "{fresh:?}");
    let name = BrowserName::new("Firefox").unwrap();
    assert!(matches!(mfa.trust_browser(&passed, &name, &email()).unwrap(), Trust::Refused { .. }));

    let device = ImportedDevice::new(Secret::from_bytes(&[1; 20]).unwrap(), Totp::default());
    let imported = mfa.import(&alice(), &Import::new(device), &Administrator::assertion(alice())).unwrap();
    assert!(matches!(imported, Imported::Made { .. }), "{imported:?}");
    let resealed = mfa.reseal_all([alice()], |_, _| ControlFlow::Continue(()));
    assert_eq!((resealed.total.current, resealed.failed), (1, 0));
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let covered = mfa.coverage([(alice(), contact)], &email(), |_| ControlFlow::Continue(()));
    assert_eq!((covered.total.registered(), covered.failed), (1, 0));
}

/// The names of the functions in these sources that begin with `keyword`.
fn operations(sources: &[&str], keyword: &str) -> BTreeSet<String> {
    let name = |line: &str| Some(line.trim().strip_prefix(keyword)?.split(['<', '(']).next()?.to_owned());
    sources.iter().flat_map(|source| source.lines()).filter_map(name).collect()
}

#[test]
fn a_host_without_an_executor_has_every_operation() {
    let sources = sources();
    let of = |wanted: &str| -> Vec<&str> {
        sources.iter().filter(|(module, _)| module == wanted).map(|(_, source)| source.as_str()).collect()
    };
    let engine = operations(&of("mfa"), "pub async fn ");
    let blocking = operations(&of("blocking"), "pub fn ");
    assert!(engine.len() > 20, "{engine:?}");
    assert_eq!(engine.difference(&blocking).collect::<Vec<_>>(), [""; 0]);
    let control = operations(&["pub async fn resume<R: Flow>(", "pub async fn status("], "pub async fn ");
    assert_eq!(control.difference(&BTreeSet::from(["status".to_owned()])).collect::<Vec<_>>(), ["resume"]);
}

/// The layers, lowest first. A module imports lower ones, its own parts, and those of its layer that stand before it.
const LAYERS: &[&[&str]] = &[
    &["time", "random", "user", "device", "browser", "secret", "mac", "keys"],
    &["code", "otp", "throttle", "policy", "ticket", "recovery"],
    &["qr", "otpauth", "store", "mailer", "event", "moving"],
    &["login", "account"],
    &["record"],
    &["error", "mfa", "blocking"],
    &["testing"],
];

fn rank(module: &str) -> (usize, usize) {
    LAYERS
        .iter()
        .enumerate()
        .find_map(|(layer, modules)| Some((layer, modules.iter().position(|known| *known == module)?)))
        .unwrap_or_else(|| panic!("the module `{module}` has no layer"))
}

/// The imports of a source file that go up, as "module imports module".
fn upward_imports(module: &str, source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
    let mut imported = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        if let Some(name) = path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next() {
            // A re-export of the crate's root.
            let name = match name {
                "QrCode" | "QrTooLong" => "qr",
                "Store" => "store",
                "Mailer" => "mailer",
                "Mfa" => "mfa",
                name => name,
            };
            imported.insert(name.to_owned());
        }
    }
    imported.retain(|name| name != module && rank(name) > rank(module));
    imported.into_iter().map(|name| format!("{module} imports {name}")).collect()
}

fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.retain(|path| !path.ends_with("lib.rs") && !path.ends_with("tests.rs"));
    assert!(files.len() > 35, "{}", files.len());
    files
        .into_iter()
        .map(|path| {
            let module = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = module.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            (module, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn imports_go_down() {
    let up: Vec<String> = sources().iter().flat_map(|(module, source)| upward_imports(module, source)).collect();
    assert_eq!(up, [""; 0]);
}

#[test]
fn control_an_import_that_goes_up_is_found() {
    assert_eq!(upward_imports("policy", "use crate::login::Login;"), ["policy imports login"]);
    assert_eq!(upward_imports("account", "fn f(_: crate::mfa::Removal) {}"), ["account imports mfa"]);
}

#[test]
fn nothing_below_the_engine_waits_reads_the_clock_or_draws_randomness() {
    let mut engine = 0;
    for (module, source) in sources() {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let impure = ["async ", ".await", "SystemTime::now", "Instant::now", "OsRandom", "SystemClock.", ".now()"]
                .iter()
                .any(|word| line.contains(word));
            // The two ports erase and forward futures; the clock and the generator of the system live in L0.
            let allowed = matches!(module.as_str(), "store" | "mailer" | "time" | "random");
            engine += usize::from(impure && rank(&module) >= rank("error"));
            assert!(!impure || allowed || rank(&module) >= rank("error"), "{module}: {line}");
        }
    }
    assert!(engine > 10, "the control: the engine does all of it");
}
