//! What an import does, and what it never does.

use factorgate::moving::NotImported;
use factorgate::policy::{ExternalFactor, Step};
use factorgate::testing::StoreFault;
use factorgate::{Change, EventKind, Notice, RecoveryCode, SignedIn, Timestamp};

use super::*;

fn code_of(secret: &Secret, at: u64) -> String {
    Totp::default().generate(secret, Timestamp::from_secs(at)).unwrap().expose_secret().expose_secret().to_owned()
}

fn reason(imported: &Imported) -> Option<NotImported> {
    match imported {
        Imported::Unchanged { reason } => Some(*reason),
        Imported::Made { .. } => None,
    }
}

#[tokio::test]
async fn an_import_names_the_administrator_and_mails_nobody() {
    let host = Host::new();
    let Imported::Made { events } = host.import(&with_codes(&["plain-one"], &["HASHED-ONE"])).await else { panic!() };
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
    let imported = EventKind::FactorsImported { by: UserId::new("root").unwrap(), recovery_codes: 2 };
    assert_eq!(kinds, [imported, EventKind::DeviceAdded { device }]);
    assert_eq!(*host.log.lock().unwrap(), events);
    assert!(host.outbox.sent().is_empty());
    let status = host.mfa.status(&alice()).await.unwrap();
    assert!(status.ever_held_factor);
    assert_eq!((host.left().await, host.checks()), (2, 0));
}

#[tokio::test]
async fn a_second_import_changes_nothing_not_even_the_record() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &[])).await;
    let before = host.store.record(&alice());
    let other = Import::new(ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default()));
    for import in [with_codes(&["plain-one"], &[]), other] {
        assert_eq!(reason(&host.import(&import).await), Some(NotImported::HeldFactor));
    }
    assert_eq!(host.store.record(&alice()), before);
    assert_eq!(host.log.lock().unwrap().len(), 2, "those of the first");
}

#[tokio::test]
async fn who_holds_a_factor_of_the_host_is_left_as_they_are() {
    let host = Host::new();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let _ = host.mfa.register_external_by_admin(&alice(), passkey, &admin(), contact).await.unwrap();
    assert_eq!(reason(&host.import(&Import::new(device())).await), Some(NotImported::HeldFactor));
}

#[tokio::test]
async fn an_import_that_is_run_again_does_not_bring_a_lost_device_back() {
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    host.mfa.reset_by_admin(&alice(), &admin(), contact).await.unwrap();
    assert_eq!(reason(&host.import(&Import::new(device())).await), Some(NotImported::HeldFactor));
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn after_an_import_no_password_registers_a_device_and_open_logins_have_ended() {
    let host = Host::new();
    // Somebody has the password, and was about to register a device of their own.
    let Login::Enroll(theirs) = host.begin(&app()).await else { panic!() };
    let stolen = Secret::from_base32(theirs.key_uri().secret_base32().expose_secret()).unwrap();
    host.imported(&Import::new(device())).await;
    let code = Code::parse(&code_of(&stolen, NOW)).unwrap();
    let login = host.mfa.confirm_app_enrollment(theirs.flow(), &code, &Default::default(), &app()).await.unwrap();
    assert!(matches!(login, Login::Denied(_)), "{login:?}");
    assert_eq!(host.challenge().await.next(), [Step::AppCode]);
}

#[tokio::test]
async fn a_step_that_was_accepted_there_is_not_accepted_here() {
    let host = Host::new();
    let used = ImportedDevice::new(secret(), Totp::default()).last_step(TimeStep::new(NOW / 30));
    host.imported(&Import::new(used)).await;
    assert!(!passed(&host.log_in(&code_of(&secret(), NOW)).await));
    assert!(!passed(&host.log_in(&code_of(&secret(), NOW - 30)).await));
    host.wait(30);
    assert!(passed(&host.log_in(&code_of(&secret(), NOW + 30)).await));
    // The control: what was not used there is good at once.
    let host = Host::new();
    host.imported(&Import::new(device())).await;
    assert!(passed(&host.log_in(&code_of(&secret(), NOW)).await));
}

#[tokio::test]
async fn a_device_that_counts_from_the_future_is_refused_and_nothing_is_written() {
    let host = Host::new();
    let later = |secs: u64| Timestamp::from_secs(NOW + secs);
    let at_t0 = |secs| ImportedDevice::new(secret(), Totp::builder().t0(later(secs)).build().unwrap());
    for (name, bad) in [
        ("seconds for steps", device().last_step(TimeStep::new(NOW))),
        ("more than an hour ahead", device().last_step(TimeStep::new(NOW / 30 + 122))),
        ("T0 ahead", at_t0(1)),
    ] {
        assert_eq!(reason(&host.import(&Import::new(bad)).await), Some(NotImported::InFuture), "{name}");
    }
    assert_eq!(host.store.record(&alice()), None);
    host.imported(&Import::new(device().last_step(TimeStep::new(NOW / 30 + 119)))).await;
}

#[tokio::test]
async fn a_hash_that_nothing_can_check_is_not_taken_over() {
    let store = MemoryStore::new();
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap()).build().unwrap();
    let old = || ImportedDevice::new(secret(), Totp::default());
    let hashed = Import::new(old()).with_hashed_recovery_code("$2a$04$x").unwrap();
    let refused = mfa.import(&alice(), &hashed, &admin()).await.unwrap();
    assert_eq!(reason(&refused), Some(NotImported::NoHashChecker));
    assert_eq!(store.record(&alice()), None);
    let made = mfa.import(&alice(), &Import::new(old()), &admin()).await.unwrap();
    assert!(matches!(made, Imported::Made { .. }));
}

#[tokio::test]
async fn an_import_whose_store_fails_is_made_as_a_whole_or_not_and_is_run_again() {
    for (fault, made) in [(StoreFault::Load, false), (StoreFault::Swap, false), (StoreFault::AfterSwap, true)] {
        let (host, import) = (Host::new(), with_codes(&["plain-one"], &["HASHED-ONE"]));
        host.store.set_fault(Some(fault));
        let result = host.mfa.import(&alice(), &import, &admin()).await;
        assert!(matches!(result, Err(factorgate::Error::Store(_))), "{fault:?}");
        host.store.set_fault(None);
        assert_eq!(
            (host.mfa.devices(&alice()).await.unwrap().len(), host.left().await),
            (made.into(), 2 * u32::from(made))
        );
        let again = host.import(&import).await;
        assert_eq!(reason(&again), made.then_some(NotImported::HeldFactor));
        assert_eq!((host.mfa.devices(&alice()).await.unwrap().len(), host.left().await), (1, 2));
    }
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_all_that_were_imported() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    let session = SignedIn::assertion(alice());
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let code = Code::parse(&code_of(&secret(), NOW)).unwrap();
    let shown = host.mfa.begin_recovery_codes(&session, &code).await.unwrap();
    let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
    assert!(passed(&host.recover("plain-one").await), "until they are confirmed, the old ones are good");
    let codes: Vec<&RecoveryCode> = new.codes.iter().collect();
    let done = host.mfa.confirm_recovery_codes(&session, codes[0], contact).await.unwrap();
    assert!(matches!(done, Change::Made { .. }), "{done:?}");
    assert!(!passed(&host.recover("hashed-one").await));
    assert_eq!(host.checks(), 0, "its hash is gone");
    // The one field of the page takes the new ones, and a typing error that can be none of them costs nothing.
    assert!(passed(&host.recover(&codes[1].expose_secret().expose_secret().to_lowercase()).await));
    let asked = host.challenge().await;
    let login = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("U U U U U U"), &app()).await.unwrap();
    let Login::Challenge(again) = login else { panic!("{login:?}") };
    assert_eq!(again.refusal(), Some(factorgate::Refusal::Malformed));
}

#[tokio::test]
async fn a_used_recovery_code_is_told_by_mail_and_leads_to_a_new_device() {
    for (plain, hashed) in [("plain-one", "UNUSED"), ("unused", "PLAIN-ONE")] {
        let host = Host::new();
        host.imported(&with_codes(&[plain], &[hashed])).await;
        let Login::Authenticated(login) = host.recover("plain-one").await else { panic!() };
        assert_eq!(login.recovery().unwrap().codes_left().get(), 1);
        assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::RecoveryCodeUsed { left: 1 }));
        assert!(login.events().iter().any(|event| event.kind == EventKind::RecoveryCodeUsed { left: 1 }));
    }
}
