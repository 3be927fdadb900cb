//! What the fuzz target `operations` has found, each as a short test.

use factorgate::admin::Administrator;
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, Totp};
use factorgate::policy::{Exemption, ExternalFactor, FirstRegistration, Policy};
use factorgate::testing::{Kit, MemoryStore, Outbox};
use factorgate::{Contact, EmailAddress, Mfa, Outcome, PrimaryVerified, Refusal, Timestamp, UserId, UserRow};

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn row() -> UserRow {
    UserRow::new(alice(), "1", contact())
}

fn root() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

/// Nothing is stored of a user who was erased, whatever an administrator still does.
#[tokio::test]
async fn nothing_is_stored_of_an_erased_user() {
    let kit = Kit::new();
    let mfa: Mfa<MemoryStore, Outbox> = kit.mfa();
    let by = root();
    mfa.admin(&by).reset(&alice(), &contact()).await.unwrap();
    mfa.admin(&by).erase_user(&alice()).await.unwrap();
    let tombstone = kit.store.record(&alice()).unwrap();

    let at = Timestamp::from_secs;
    let now = kit.clock.time().as_secs();
    let exemption = Exemption::new("root", "waits for a smartphone", at(now), at(now + 60)).unwrap();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let import = Import::new(ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default()));
    let admin = mfa.admin(&by);
    assert_eq!(admin.exempt(&alice(), Some(&exemption)).await.unwrap(), Err(Refusal::AccountChanged));
    assert_eq!(admin.register_external(&alice(), passkey, &contact()).await.unwrap(), Err(Refusal::AccountChanged));
    assert_eq!(admin.import(&alice(), &import).await.unwrap(), Err(Refusal::AccountChanged));
    // These always return a ticket. It opens nothing.
    let _ = (admin.issue_ticket(&alice()).await.unwrap(), admin.reset(&alice(), &contact()).await.unwrap());

    assert_eq!(kit.store.record(&alice()).unwrap().version(), tombstone.version(), "the tombstone stays as it is");
    let status = admin.status(&alice()).await.unwrap();
    assert!(status.erased && status.devices.is_empty() && status.external.is_empty() && !status.ever_had_factor);
    assert_eq!((status.ticket_until, status.exemption, status.owed_notices), (None, None, 0));
    let policy = Policy::off(FirstRegistration::AfterPassword);
    let begun = mfa.begin_login(PrimaryVerified::assertion(row()), &policy).await.unwrap();
    assert!(matches!(begun, Outcome::Denied(denied) if denied.refusal() == Refusal::AccountChanged));
}
