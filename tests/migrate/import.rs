//! What an import does, and what it never does.

use factorgate::mail::Notice;
use factorgate::policy::{ExternalFactor, Step};
use factorgate::session::SessionCheck;
use factorgate::testing::StoreFault;
use factorgate::{Elevated, Session, Timestamp};

use super::*;

fn code_of(secret: &Secret, at: u64) -> String {
    Totp::default().generate(secret, Timestamp::from_secs(at)).unwrap().expose_secret().expose_secret().to_owned()
}

impl Host {
    async fn session(&self, passed: factorgate::Authenticated) -> SessionCheck {
        let claims = passed.into_session(&row()).unwrap();
        self.mfa.check_session(&claims, &row(), &app()).await.unwrap()
    }

    /// The proof of the code that the session was opened with.
    async fn elevated(&self, session: &Session) -> Elevated {
        match self.mfa.profile(session).begin_step_up(Duration::from_secs(60)).await.unwrap() {
            Outcome::Done(elevated) => elevated,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn import_names_the_administrator_and_sends_no_mail() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    let status = host.status().await;
    let imported = EventKind::FactorsImported { by: UserId::new("root").unwrap(), recovery_codes: 2 };
    assert_eq!(host.kinds(), [imported, EventKind::DeviceAdded { device: status.devices[0].id }]);
    assert!(host.outbox.sent().is_empty() && status.owed_notices == 0);
    assert!(status.ever_had_factor);
    assert_eq!((host.left().await, host.checks()), (2, 0));
}

#[tokio::test]
async fn second_import_changes_nothing() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &[])).await;
    let before = host.store.record(&alice());
    let other = Import::new(ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default()));
    for import in [with_codes(&["plain-one"], &[]), other] {
        assert_eq!(host.import(&import).await, Err(Refusal::HasFactor));
    }
    assert_eq!(host.store.record(&alice()), before);
    assert_eq!(host.kinds().len(), 2, "those of the first");
}

#[tokio::test]
async fn user_with_an_external_factor_is_left_as_it_is() {
    let host = Host::new();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    host.mfa.admin(&admin()).register_external(&alice(), passkey, &contact()).await.unwrap().unwrap();
    assert_eq!(host.import(&Import::new(device())).await, Err(Refusal::HasFactor));
}

#[tokio::test]
async fn repeated_import_does_not_restore_a_removed_device() {
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    assert_eq!(host.import(&Import::new(device())).await, Err(Refusal::HasFactor));
    assert!(host.status().await.devices.is_empty());
}

#[tokio::test]
async fn import_ends_open_logins_and_sessions() {
    let host = Host::new();
    // Somebody has the password, and was about to register a device.
    let Outcome::Enroll(theirs) = host.begin(&app()).await else { panic!() };
    let stolen = Secret::from_base32(theirs.key_uri().secret_base32().expose_secret()).unwrap();
    let off = Policy::off(FirstRegistration::AfterPassword);
    let Outcome::Done(passed) = host.begin(&off).await else { panic!() };
    let claims = passed.into_session(&row()).unwrap();
    host.imported(&Import::new(device())).await;
    let confirm = Action::ConfirmApp { code: code_of(&stolen, NOW).into(), name: None };
    let login = host.mfa.submit(theirs.challenge().flow(), &app(), confirm).await.unwrap();
    assert!(matches!(login, Outcome::Denied(_)), "{login:?}");
    let check = host.mfa.check_session(&claims, &row(), &off).await.unwrap();
    assert!(matches!(check, SessionCheck::Ended), "{check:?}");
    assert_eq!(host.challenge().await.next(), [Step::AppCode]);
}

#[tokio::test]
async fn step_used_in_the_other_system_is_refused() {
    let host = Host::new();
    let used = ImportedDevice::new(secret(), Totp::default()).last_step(TimeStep::new(NOW / 30));
    host.imported(&Import::new(used)).await;
    assert!(!passed(&host.log_in(&code_of(&secret(), NOW)).await));
    assert!(!passed(&host.log_in(&code_of(&secret(), NOW - 30)).await));
    host.wait(30);
    assert!(passed(&host.log_in(&code_of(&secret(), NOW + 30)).await));
    // The control: what was not used there is accepted at once.
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    assert!(passed(&host.log_in(&code_of(&secret(), NOW)).await));
}

#[tokio::test]
async fn device_that_counts_from_the_future_is_refused() {
    let host = Host::new();
    let later = |secs: u64| Timestamp::from_secs(NOW + secs);
    let at_t0 = |secs| ImportedDevice::new(secret(), Totp::builder().t0(later(secs)).build().unwrap());
    for (name, bad) in [
        ("seconds for steps", device().last_step(TimeStep::new(NOW))),
        ("more than an hour ahead", device().last_step(TimeStep::new(NOW / 30 + 121))),
        ("T0 ahead", at_t0(1)),
    ] {
        assert_eq!(host.import(&Import::new(bad)).await, Err(Refusal::ImportInFuture), "{name}");
    }
    assert_eq!(host.store.record(&alice()), None, "nothing is written");
    host.imported(&Import::new(device().last_step(TimeStep::new(NOW / 30 + 120)))).await;
}

#[tokio::test]
async fn hash_is_refused_if_nothing_can_check_it() {
    let store = MemoryStore::new();
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap()).build().unwrap();
    let old = || ImportedDevice::new(secret(), Totp::default());
    let hashed = Import::new(old()).with_hashed_recovery_code("$2a$04$x").unwrap();
    let by = admin();
    assert_eq!(mfa.admin(&by).import(&alice(), &hashed).await.unwrap(), Err(Refusal::NoHashChecker));
    assert_eq!(store.record(&alice()), None);
    assert_eq!(mfa.admin(&by).import(&alice(), &Import::new(old())).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn failed_import_is_made_as_a_whole_or_not_and_can_be_repeated() {
    for (fault, made) in [(StoreFault::Load, false), (StoreFault::Swap, false), (StoreFault::AfterSwap, true)] {
        let (host, import) = (Host::new(), with_codes(&["plain-one"], &["HASHED-ONE"]));
        host.store.set_fault(Some(fault));
        let result = host.mfa.admin(&admin()).import(&alice(), &import).await;
        assert!(matches!(result, Err(factorgate::Error::Store(_))), "{fault:?}");
        host.store.set_fault(None);
        assert_eq!((host.status().await.devices.len(), host.left().await), (made.into(), 2 * u32::from(made)));
        let again = host.import(&import).await;
        assert_eq!(again.err(), made.then_some(Refusal::HasFactor));
        assert_eq!((host.status().await.devices.len(), host.left().await), (1, 2));
    }
}

#[tokio::test]
async fn new_recovery_codes_replace_all_imported_ones() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    let Outcome::Done(login) = host.log_in(&code_of(&secret(), NOW)).await else { panic!() };
    let check = host.session(login).await;
    let session = check.session().unwrap();
    let elevated = host.elevated(session).await;
    let new = host.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let codes: Vec<String> = new.expose_secrets().iter().map(|code| code.expose_secret().to_lowercase()).collect();
    assert!(passed(&host.recover("plain-one").await), "until they are confirmed, the old ones are accepted");
    host.mfa.profile(session).confirm_recovery_codes(&codes[0].as_str().into()).await.unwrap().unwrap();
    assert!(!passed(&host.recover("hashed-one").await));
    assert_eq!(host.checks(), 0, "its hash is gone");
    // A typing error that can be no new code costs nothing.
    assert!(passed(&host.recover(&codes[1]).await));
    let Outcome::Challenge(again) = host.recover("U U U U U U").await else { panic!() };
    assert_eq!((again.refusal(), again.attempts_left()), (Some(Refusal::Malformed), 5));
}

#[tokio::test]
async fn used_imported_code_is_reported_and_the_session_owes_a_device() {
    for (plain, hashed) in [("plain-one", "UNUSED"), ("unused", "PLAIN-ONE")] {
        let host = Host::new();
        host.imported(&with_codes(&[plain], &[hashed])).await;
        let Outcome::Done(login) = host.recover("plain-one").await else { panic!() };
        assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::RecoveryCodeUsed { left: 1 }));
        assert!(host.kinds().contains(&EventKind::RecoveryCodeUsed { left: 1 }));
        let check = host.session(login).await;
        let owing = check.owing().unwrap();
        let begun = host.mfa.begin_completion(owing).await.unwrap();
        let Outcome::Challenge(asked) = begun else { panic!("{begun:?}") };
        assert_eq!(asked.next(), [Step::EnrollApp, Step::AppCode]);
    }
}

#[tokio::test]
async fn import_without_recovery_codes_leaves_none_to_warn_of() {
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    assert_eq!(host.status().await.recovery_codes, None);
}

#[tokio::test]
async fn device_after_an_import_gets_a_number_of_its_own() {
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    let imported = host.status().await.devices[0].id;
    let ticket = host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
    let Outcome::Challenge(asked) = host.begin(&policy).await else { panic!() };
    let redeem = Action::Ticket { code: ticket.expose_secret().expose_secret().into() };
    let Outcome::Enroll(enroll) = host.mfa.submit(asked.flow(), &policy, redeem).await.unwrap() else { panic!() };
    let new = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
    let confirm = Action::ConfirmApp { code: code_of(&new, NOW).into(), name: None };
    assert!(passed(&host.mfa.submit(asked.flow(), &policy, confirm).await.unwrap()));
    assert_ne!(host.status().await.devices[0].id, imported);
}
