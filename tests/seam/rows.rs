//! A sign-in is bound to the row that was read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::testing::{Kit, MemoryStore};
use factorgate::{Action, Outcome, SessionClaims};
use tokio::task::yield_now;

use super::*;

const ROUNDS: u64 = 200;
const SIGN_INS: u64 = 16;

/// What differs between the hosts that the race is run on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Host {
    /// Reports the change, and reads the row again before it opens the session.
    Careful,
    /// Passes the row that it read first to `into_session`.
    PassesOldRow,
    /// Never reports the change.
    NeverReports,
    /// Passes a credential that does not change with the password: the control.
    IgnoresTheRow,
}

/// Gives way to the other tasks a few times: the host hashes a password, or waits for its database.
async fn wait(random: &mut u64) {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    for _ in 0..(*random >> 61) {
        yield_now().await;
    }
}

/// Runs sign-ins with the old password while it is changed, and returns how many sessions of the old password survive, and
/// how many were opened at all.
async fn survivors(host: Host) -> (usize, usize) {
    let (mut survived, mut opened) = (0, 0);
    for round in 0..ROUNDS {
        let kit = Kit::over(MemoryStore::interleaving());
        let mfa = Arc::new(kit.mfa());
        let stored = Arc::new(Mutex::new(Row::alice()));
        let read_with_password = move |stored: &Mutex<Row>| {
            let mut row = stored.lock().unwrap().clone();
            let password = row.credential;
            if host == Host::IgnoresTheRow {
                row.credential = 0;
            }
            (row, password)
        };
        let read = move |stored: &Mutex<Row>| read_with_password(stored).0;
        let start = Arc::new(tokio::sync::Barrier::new(SIGN_INS as usize + 1));
        let mut tasks = tokio::task::JoinSet::<Option<SessionClaims>>::new();
        for n in 0..SIGN_INS {
            let (mfa, stored, start) = (Arc::clone(&mfa), Arc::clone(&stored), Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                let mut random = round * 1000 + n;
                wait(&mut random).await;
                // One query: the password is verified against the row that is passed on.
                let (row, password) = read_with_password(&stored);
                wait(&mut random).await;
                // The old password is right for whoever has read the old row.
                if password != 1 {
                    return None;
                }
                let Outcome::Done(passed) = mfa.begin_login(row.primary(), &off()).await.unwrap() else { return None };
                wait(&mut random).await;
                let now = if host == Host::PassesOldRow { row } else { read(&stored) };
                passed.into_session(&now.read()).ok()
            });
        }
        let changed = async {
            start.wait().await;
            let mut random = round * 1000 + 999;
            wait(&mut random).await;
            stored.lock().unwrap().credential = 2;
            wait(&mut random).await;
            if host != Host::NeverReports && host != Host::IgnoresTheRow {
                let by = factorgate::admin::Administrator::host("password").unwrap();
                mfa.admin(&by).account_changed(&read(&stored).read()).await.unwrap();
            }
        };
        changed.await;
        for claims in tasks.join_all().await.into_iter().flatten() {
            opened += 1;
            survived += usize::from(!is_ended(&mfa, &claims, &read(&stored), &off()).await);
        }
    }
    (survived, opened)
}

/// A request that read the old password hash can never leave a session behind, in whatever order the host reads, writes and
/// calls, and even if the change is never reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_of_the_old_password_survives_its_change() {
    for host in [Host::Careful, Host::PassesOldRow, Host::NeverReports] {
        let (survived, opened) = survivors(host).await;
        assert_eq!(survived, 0, "{host:?}: of {opened} sessions");
    }
}

/// The control: a host whose row does not change with the password is left with sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_sessions_survive_if_the_row_does_not_change() {
    let (survived, opened) = survivors(Host::IgnoresTheRow).await;
    assert!(survived > 0 && survived == opened, "{survived} of {opened} survive");
}

/// A row that a reported change has replaced is refused at once, before any code is sent.
#[tokio::test]
async fn replaced_row_is_refused_at_the_beginning() {
    let kit = Kit::new();
    let (mfa, mut row) = (kit.mfa(), Row::alice());
    let old = row.clone();
    let claims = sign_in(&kit, &mfa, &row, &email()).await;
    let session = session(&mfa, &claims, &row, &email()).await;
    row.credential = 2;
    let claims = claims_of(mfa.profile(&session).password_changed(&row.read()).await.unwrap().unwrap(), &row);
    let sent = kit.outbox.sent().len();
    kit.advance(Duration::from_secs(30));

    let outcome = mfa.begin_login(old.primary(), &email()).await.unwrap();
    assert_eq!((refusal(&outcome), outcome.flow().is_none()), (Some("account_changed"), true));
    assert_eq!(kit.outbox.sent().len(), sent, "no code goes out for a stale sign-in");
    assert!(kit.events().iter().any(|event| event.kind == EventKind::StaleRowRefused));
    assert!(!is_ended(&mfa, &claims, &row, &email()).await, "the session that changed the password continues");
    assert!(matches!(mfa.begin_login(row.primary(), &email()).await.unwrap(), Outcome::Challenge(_)));
}

/// A flow that was begun with the old row cannot open a session, although the change was never reported.
#[tokio::test]
async fn flow_of_the_old_row_opens_no_session() {
    let kit = Kit::new();
    let (mfa, mut row) = (kit.mfa(), Row::alice());
    let (flow, _) = begin(&mfa, &row, &email()).await;
    row.credential = 2;
    let code = kit.outbox.last_code().unwrap().into();
    let passed = done(mfa.submit(&flow, &email(), Action::EmailCode { code }).await.unwrap());
    assert_eq!(passed.into_session(&row.read()).unwrap_err().code(), "account_changed");
}

/// Trust in a browser ends with the row that it was given for.
#[tokio::test]
async fn trusted_browser_of_the_old_row_is_not_trusted() {
    let kit = Kit::new();
    let (mfa, mut row) = (kit.mfa(), Row::alice());
    let policy = app().with_trusted_browsers();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let session = session(&mfa, &claims, &row, &policy).await;
    let name = factorgate::browser::BrowserName::new("Firefox").unwrap();
    let token = mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap().to_cookie();
    let primary = row.primary().from_browser(Some(&token));
    let next = done(mfa.begin_login(primary, &policy).await.unwrap()).browser().unwrap().to_cookie();

    row.credential = 2; // never reported
    let outcome = mfa.begin_login(row.primary().from_browser(Some(&next)), &policy).await.unwrap();
    assert!(matches!(outcome, Outcome::Challenge(_)), "{outcome:?}");
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    let _ = done(mfa.submit(&cookie(&outcome), &policy, code).await.unwrap());
}

/// While an address is changed no code goes to the old one, and afterwards a code that was sent there verifies nothing.
#[tokio::test]
async fn code_to_the_old_address_verifies_nothing_after_the_change() {
    let kit = Kit::new();
    let (mfa, mut row) = (kit.mfa(), Row::alice());
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let (flow, _) = begin(&mfa, &row, &app()).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let elevated = step_up(&mfa, &open, &phone).await;

    let permit = mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
    let resumed = mfa.resume(&flow, &app()).await.unwrap();
    assert_eq!(refusal(&resumed), Some("flow_ended"), "flows of the old address end with the permit");
    let notice = kit.outbox.sent().pop().unwrap();
    assert_eq!(
        (notice.to.as_str(), kit.outbox.notices().pop()),
        ("alice@example.com", Some("address_change_permitted"))
    );

    let mails = kit.outbox.sent().len();
    let old = row.clone();
    let both = factorgate::policy::Policy::all_of(
        [factorgate::policy::Channel::App, factorgate::policy::Channel::Email],
        factorgate::policy::FirstRegistration::AfterEmailCode,
    )
    .unwrap();
    let (held_back, outcome) = begin(&mfa, &old, &both).await;
    assert_eq!(refusal(&outcome), Some("too_soon"), "between permit and finish no code is mailed");
    assert_eq!(kit.outbox.sent().len(), mails);

    row.address = "new@example.com".into();
    row.verified = false;
    let passed = mfa.elevated(&elevated).finish_address_change(permit, &row.read()).await.unwrap().unwrap();
    let kept = claims_of(passed, &row);
    assert!(!is_ended(&mfa, &kept, &row, &app()).await);
    assert!(is_ended(&mfa, &claims, &old, &app()).await && is_ended(&mfa, &claims, &row, &app()).await);
    assert_eq!(refusal(&mfa.resume(&held_back, &both).await.unwrap()), Some("flow_ended"));
    assert_eq!(refusal(&mfa.begin_login(old.primary(), &both).await.unwrap()), Some("account_changed"));
    let (_, outcome) = begin(&mfa, &row, &both).await;
    assert_eq!(refusal(&outcome), None);
    assert_eq!(kit.outbox.sent().pop().unwrap().to.as_str(), "new@example.com");
}

/// Sign-ins with e-mail codes that are in flight while the address changes, 200 times: no code is mailed to the old address
/// after the change was finished, and the new address is never reported as verified unless a code went there.
#[tokio::test]
async fn no_sign_in_in_flight_verifies_the_new_address_with_the_old_one() {
    let (mut stale, mut verified, mut mails) = (0, 0, 0);
    for round in 0..ROUNDS {
        let kit = Kit::over(MemoryStore::interleaving());
        let budget = factorgate::limits::IssuanceBudget::new(60, Duration::ZERO).unwrap();
        let mfa = Arc::new(kit.builder().issuance_budget(budget).build().unwrap());
        let stored = Arc::new(Mutex::new(Row { verified: false, ..Row::alice() }));
        let row = stored.lock().unwrap().clone();
        let claims = sign_in(&kit, &mfa, &row, &off()).await;
        let open = session(&mfa, &claims, &row, &off()).await;
        let flow = cookie(&mfa.profile(&open).begin_step_up(Duration::ZERO).await.unwrap());
        let code = kit.outbox.last_code().unwrap().into();
        let elevated = done(mfa.submit(&flow, &open, Action::EmailCode { code }).await.unwrap());

        let mut tasks = tokio::task::JoinSet::<(Option<String>, bool)>::new();
        for n in 0..SIGN_INS {
            let (mfa, stored, kit) = (Arc::clone(&mfa), Arc::clone(&stored), kit.clone());
            tasks.spawn(async move {
                let mut random = round * 2000 + n;
                for _ in 0..n {
                    wait(&mut random).await;
                }
                let row = stored.lock().unwrap().clone();
                wait(&mut random).await;
                let open = mfa.begin_login(row.primary(), &email()).await.unwrap();
                let Some(flow) = open.flow() else { return (None, true) };
                wait(&mut random).await;
                let codes: Vec<_> = kit.outbox.sent().into_iter().filter_map(|mail| mail.code).collect();
                // The code of this flow is among those that were sent; the user has read the right mail.
                for code in codes.into_iter().rev().take(4) {
                    let outcome = mfa.submit(flow, &email(), Action::EmailCode { code: code.into() }).await.unwrap();
                    let Outcome::Done(passed) = outcome else { continue };
                    let verified = passed.verified_address().map(|address| address.as_str().to_owned());
                    wait(&mut random).await;
                    let now = stored.lock().unwrap().clone();
                    // What the host would mark as verified, where it is still on record.
                    return match passed.into_session(&now.read()) {
                        Ok(_) => (verified.filter(|address| *address == now.address), false),
                        Err(_) => (None, true),
                    };
                }
                (None, false)
            });
        }
        let mut random = round * 2000 + 1999;
        wait(&mut random).await;
        let permit = mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
        wait(&mut random).await;
        stored.lock().unwrap().address = "new@example.com".into();
        wait(&mut random).await;
        let row = stored.lock().unwrap().clone();
        let _ = mfa.elevated(&elevated).finish_address_change(permit, &row.read()).await.unwrap().unwrap();
        let finished = kit.outbox.sent().len();
        for (marked, was_stale) in tasks.join_all().await {
            stale += usize::from(was_stale);
            if let Some(address) = marked {
                verified += 1;
                let proved = kit.outbox.sent().iter().any(|mail| mail.to.as_str() == address && mail.code.is_some());
                assert!(proved, "round {round}: {address} was verified without a code to it");
            }
        }
        let late = kit.outbox.sent().split_off(finished);
        mails += late.len();
        assert!(late.iter().all(|mail| mail.code.is_none() || mail.to.as_str() == "new@example.com"), "round {round}");
    }
    assert!(stale > 0 && verified > 0 && mails > 0, "the race never came about: {stale}, {verified}, {mails}");
}

/// Sessions that were ended do not become valid again when the user is deleted and the record is gone or new.
#[tokio::test]
async fn deletion_leaves_a_tombstone_that_keeps_sessions_invalid() {
    let kit = Kit::new();
    let (mfa, row) = (kit.mfa(), Row::alice());
    let first = sign_in(&kit, &mfa, &row, &off()).await;
    let by = factorgate::admin::Administrator::assertion(UserId::new("root").unwrap());
    mfa.admin(&by).end_sessions(&row.id()).await.unwrap();
    assert!(is_ended(&mfa, &first, &row, &off()).await);
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let elevated = step_up(&mfa, &session(&mfa, &claims, &row, &app()).await, &phone).await;

    mfa.elevated(&elevated).erase_user().await.unwrap();
    let status = mfa.admin(&by).status(&row.id()).await.unwrap();
    assert!(status.erased && status.devices.is_empty() && !status.ever_had_factor);
    for claims in [&first, &claims, elevated.session().claims()] {
        assert!(is_ended(&mfa, claims, &row, &off()).await);
    }
    assert_eq!(refusal(&mfa.begin_login(row.primary(), &off()).await.unwrap()), Some("account_changed"));
    let tombstone = kit.store.record(&row.id()).unwrap();
    assert!(tombstone.sealed().len() < 220, "{} bytes", tombstone.sealed().len());

    assert!(mfa.maintenance().forget_tombstone(&row.id()).await.unwrap());
    assert!(!mfa.maintenance().forget_tombstone(&row.id()).await.unwrap());
    assert!(matches!(mfa.begin_login(row.primary(), &off()).await.unwrap(), Outcome::Done(_)));
}

/// A cookie is made of cookie octets, whatever the user id is.
#[tokio::test]
async fn cookies_fit_into_a_header_whatever_the_user_id_is() {
    let kit = Kit::new();
    let mfa = kit.mfa();
    let long = "é".repeat(64);
    for id in ["bob; Domain=example.com", "José", "a\"b", "a b", long.as_str()] {
        let user = UserId::new(id).unwrap();
        let primary = factorgate::PrimaryVerified::assertion(UserRow::new(user.clone(), "1", Row::alice().contact()));
        let outcome = mfa.begin_login(primary, &email()).await.unwrap();
        let text = outcome.flow().unwrap().to_cookie();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert!(text.len() <= FlowRef::<Login>::MAX_COOKIE_LEN && FlowRef::<Login>::MAX_COOKIE_LEN <= 240);
        assert_eq!(FlowRef::<Login>::from_cookie(&text).unwrap().user(), &user);
        kit.advance(Duration::from_secs(31));
    }
}
