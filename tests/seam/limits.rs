//! Limits belong to a purpose, and guesses are paid for before they are compared.

use factorgate::audit::{CodeFault, EventKind, Factor};
use factorgate::policy::ExternalFactor;

use super::*;

/// Logins that somebody begins with the password do not end what the owner does in a session.
#[tokio::test]
async fn logins_do_not_evict_the_flows_of_a_session() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let step_up = cookie(&mfa.profile(&open).begin_step_up(Duration::ZERO).await.unwrap());
    let registration = cookie(&mfa.profile(&open).begin_registration().await.unwrap());
    for _ in 0..20 {
        let _ = begin(&mfa, &row, &app()).await;
    }
    assert!(mfa.resume(&registration, &open).await.unwrap().flow().is_some());
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    let _ = done(mfa.submit(&step_up, &open, code).await.unwrap());
    let status = mfa.profile(&open).status().await.unwrap();
    assert_eq!(status.open_flows, 4 + 1, "4 logins, and the registration");
}

/// Whatever is written can be read, under a policy of a hundred factors and with every flow open.
#[tokio::test]
async fn record_stays_readable_under_a_large_policy() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let factors = (0..100).map(|n| Channel::External(ExternalFactor::possession(&format!("factor-{n:03}")).unwrap()));
    let policy = Policy::any_of(factors.chain([Channel::App]), FirstRegistration::AfterPassword).unwrap();
    enroll(&kit, &mfa, &row).await;
    for _ in 0..8 {
        let _ = begin(&mfa, &row, &policy).await;
    }
    assert!(kit.store.record(&row.id()).unwrap().sealed().len() <= factorgate::store::Record::MAX_LEN);

    // Policies that differ each time make the oldest flows end, and nothing unreadable is written.
    for n in 0..8 {
        let factors =
            (0..200).map(|f| Channel::External(ExternalFactor::possession(&format!("p{n}-{f:04}-long-name")).unwrap()));
        let policy = Policy::any_of(factors.chain([Channel::App]), FirstRegistration::AfterPassword).unwrap();
        let (flow, _) = begin(&mfa, &row, &policy).await;
        assert!(mfa.resume(&flow, &policy).await.unwrap().flow().is_some(), "the newest stays open");
    }
}

/// A used code gets the answer of a wrong one, attempts included: nothing tells that it was right.
#[tokio::test]
async fn used_code_costs_what_a_wrong_one_costs() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, _) = enroll(&kit, &mfa, &row).await;
    let (flow, _) = begin(&mfa, &row, &app()).await;
    let answer = async |code: String| {
        let outcome = mfa.submit(&flow, &app(), Action::AppCode { code: code.into(), device: None }).await.unwrap();
        let Outcome::Challenge(challenge) = outcome else { panic!("{outcome:?}") };
        (challenge.refusal().unwrap().code(), challenge.attempts_left())
    };
    assert_eq!(answer("000000".into()).await, ("wrong_code", 4));
    assert_eq!(answer(phone.code()).await, ("wrong_code", 3), "the code that confirmed the registration");
    let faults: Vec<_> = kit
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::CodeRefused { factor: Factor::App, fault } => Some(fault),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [CodeFault::Wrong, CodeFault::Replayed], "the audit knows the difference");
}

/// A ticket has 128 bits. A wrong one is refused, and locks nothing: otherwise an attacker with the password could lock the
/// registration.
#[tokio::test]
async fn wrong_ticket_is_refused_without_a_write() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap();
    let by = factorgate::admin::Administrator::assertion(UserId::new("root").unwrap());
    let ticket = mfa.admin(&by).issue_ticket(&row.id()).await.unwrap();
    let (flow, _) = begin(&mfa, &row, &policy).await;
    let swaps = kit.store.swaps();
    for _ in 0..200 {
        let wrong = Action::Ticket { code: "AAAA AAAA AAAA AAAA AAAA AAAA AA".into() };
        assert_eq!(refusal(&mfa.submit(&flow, &policy, wrong).await.unwrap()), Some("wrong_code"));
    }
    assert_eq!(kit.store.swaps(), swaps);
    let right = Action::Ticket { code: ticket.expose_secret().expose_secret().into() };
    assert!(matches!(mfa.submit(&flow, &policy, right).await.unwrap(), Outcome::Enroll(_)));
}

/// A registration accepts 10 wrong confirmations, then its secret is dropped.
#[tokio::test]
async fn confirmations_of_a_registration_are_bounded() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let Outcome::Enroll(enroll) = mfa.begin_login(row.primary(), &app()).await.unwrap() else { panic!("enroll") };
    let (phone, flow) = (kit.scan(enroll.key_uri()), enroll.challenge().flow());
    for attempt in 1..=10 {
        let wrong = Action::ConfirmApp { code: "000000".into(), name: None };
        let outcome = mfa.submit(flow, &app(), wrong).await.unwrap();
        assert_eq!(matches!(outcome, Outcome::Enroll(_)), attempt < 10, "attempt {attempt}");
    }
    let right = Action::ConfirmApp { code: phone.code().into(), name: None };
    assert_eq!(refusal(&mfa.submit(flow, &app(), right).await.unwrap()), Some("wrong_code"));
}

/// A store that refuses the first writes, and keeps what it was asked to write.
#[derive(Clone, Default)]
struct Conflicting {
    inner: MemoryStore,
    asked: std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
}

impl factorgate::Store for Conflicting {
    type Error = <MemoryStore as factorgate::Store>::Error;

    async fn load(&self, user: &UserId) -> Result<Option<factorgate::store::Record>, Self::Error> {
        self.inner.load(user).await
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<factorgate::store::Version>,
        next: &factorgate::store::Record,
    ) -> Result<factorgate::store::Swap, Self::Error> {
        let first = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(next.sealed().to_vec());
            asked.len() <= 5
        };
        if first {
            Ok(factorgate::store::Swap::Conflict)
        } else {
            self.inner.compare_and_swap(user, expected, next).await
        }
    }
}

/// Each attempt at a write is sealed under a nonce of its own: two plaintexts under one nonce would give both away.
#[tokio::test]
async fn nonce_is_not_used_again_after_a_conflict() {
    let (store, row) = (Conflicting::default(), Row::alice());
    let key = factorgate::keys::ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    let mfa = Mfa::builder(
        store.clone(),
        Outbox::new(),
        factorgate::keys::ServerKeys::new(key),
        factorgate::otpauth::Issuer::new("ACME").unwrap(),
    )
    .build()
    .unwrap();
    assert!(mfa.begin_login(row.primary(), &email()).await.unwrap().flow().is_some());
    // The magic, the format and the name of the key are 12 bytes; the nonce has 24.
    let asked = store.asked.lock().unwrap().clone();
    let nonces: std::collections::BTreeSet<_> = asked.iter().map(|sealed| sealed[12..36].to_vec()).collect();
    assert_eq!((asked.len(), nonces.len()), (6, 6));
}

/// A lock of the session's browser holds for its step-ups. A lock of unknown browsers does not, and no lock concerns the
/// confirmation of recovery codes, which is no guess.
#[tokio::test]
async fn lock_holds_for_changes_of_the_profile() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let elevated = step_up(&mfa, &open, &phone).await;
    let new = mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let code = new.expose_secrets().remove(0);
    let wrong = || Action::AppCode { code: "000000".into(), device: None };
    let (flow, _) = begin(&mfa, &row, &app()).await;
    let step_up = cookie(&mfa.profile(&open).begin_step_up(Duration::ZERO).await.unwrap());
    for _ in 0..5 {
        let _ = mfa.submit(&flow, &app(), wrong()).await.unwrap();
        assert_eq!(refusal(&mfa.resume(&step_up, &open).await.unwrap()), None);
    }
    for _ in 0..5 {
        let _ = mfa.submit(&step_up, &open, wrong()).await.unwrap();
    }
    let swaps = kit.store.swaps();
    let right = || Action::AppCode { code: phone.next_code().into(), device: None };
    assert_eq!(refusal(&mfa.submit(&step_up, &open, right()).await.unwrap()), Some("locked"));
    assert_eq!(kit.store.swaps(), swaps, "nothing is written during the lock");
    mfa.profile(&open).confirm_recovery_codes(&code.expose_secret().into()).await.unwrap().unwrap();
    kit.advance(Duration::from_secs(60));
    assert!(matches!(mfa.submit(&step_up, &open, right()).await.unwrap(), Outcome::Done(_)));
}
