//! What leaks, what is malformed, and who is locked out.

use super::*;

#[tokio::test]
async fn f03_h12_h14_nothing_that_is_shown_or_logged_holds_a_secret() {
    let host = Host::new();
    let (mut shown, mut secrets) = (String::new(), Vec::new());
    let mut show = |value: &dyn std::fmt::Debug| shown.push_str(&format!("{value:?}\n{value:#?}\n"));

    let asked = host.challenge(&email()).await;
    secrets.push(host.outbox.last_code().unwrap());
    secrets.push(asked.flow().to_cookie().expose_secret().split_once('.').unwrap().0.to_owned());
    show(&asked);
    show(&host.email(asked.flow(), &not(&host.mailed()), &email()).await);
    show(&host.mailed());

    let enroll = host.enroll(&app()).await;
    let secret = secret_of(&enroll);
    secrets.push(secret.to_base32().expose_secret().to_owned());
    secrets.push(format!("{:?}", secret.expose_secret()).trim_matches(['[', ']']).to_owned());
    show(&(&enroll, enroll.key_uri(), enroll.key_uri().secret_base32(), enroll.key_uri().qr().unwrap(), &secret));
    let code = host.code(&secret);
    secrets.push(code.expose_secret().expose_secret().to_owned());
    show(&host.confirm(&enroll, &code).await);

    let issued = host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    secrets.push(issued.ticket.expose_secret().expose_secret().to_owned());
    show(&issued);
    let key = ServerKey::generate(&OsRandom).unwrap();
    secrets.push(key.to_hex().expose_secret().to_owned());
    show(&(&key, host.mfa.status(&alice()).await.unwrap(), &host.mfa, host.store.record(&alice())));
    show(&ServerKeys::new(key));
    let log = host.log.lock().unwrap();
    for event in log.iter() {
        shown.push_str(&format!("{event:?}\n{event}\n"));
    }
    assert!(log.len() >= 8);

    secrets.push("alice@example.com".to_owned());
    for secret in &secrets {
        assert!(secret.len() >= 6);
        assert!(!shown.contains(secret.as_str()), "{secret} is in\n{shown}");
        assert!(format!("{shown}{secret}").contains(secret.as_str()), "the control finds it");
    }
}

#[tokio::test]
async fn f05_the_record_shows_no_code_and_no_secret_to_who_reads_the_table() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let enroll = host.enroll(&app()).await;
    let record = host.store.record(&alice()).unwrap();
    let text = host.outbox.last_code().unwrap();
    let secret = secret_of(&enroll);
    for needle in [text.as_bytes(), &secret.expose_secret()[..8], b"alice@example.com"] {
        assert!(!record.sealed().windows(needle.len()).any(|window| window == needle));
    }
    drop(asked);
}

#[test]
fn g01_g02_g05_what_is_no_code_is_refused_before_the_store() {
    let megabyte = "1".repeat(1 << 20);
    for text in
        ["", " ", "\t", "12345", "１２３４５６", "١٢٣٤٥٦", "+123456", "12_34_56", "123456\n", "123456\0", &megabyte]
    {
        assert!(Code::parse(text).is_err(), "{:?}", text.chars().take(20).collect::<String>());
    }
}

#[tokio::test]
async fn g01_a_code_of_another_length_costs_nothing() {
    let host = Host::new();
    host.register().await;
    let asked = host.challenge(&app()).await;
    for _ in 0..50 {
        let login = host.app(asked.flow(), &Code::parse("1234567").unwrap(), &app()).await;
        assert_eq!(refusal(&login), Some(Refusal::Malformed));
    }
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
}

#[tokio::test]
async fn h09_who_lacks_the_password_locks_nobody() {
    let host = Host::new();
    let secret = host.register().await;
    let forged = LoginRef::from_cookie(&format!("{}.alice", "00".repeat(32))).unwrap();
    for _ in 0..1000 {
        let login = host.app(&forged, &wrong(&secret), &app()).await;
        assert_eq!(denied(&login), Some(DeniedReason::FlowEnded));
    }
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.attempts_left(), 5);
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await));
}

#[tokio::test]
async fn h16_a_mail_is_no_possession() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let Login::Authenticated(passed) = host.email(asked.flow(), &host.mailed(), &email()).await else { panic!() };
    assert_eq!(passed.amr(), ["pwd"]);
}

#[tokio::test]
async fn f06_a_code_outlives_a_change_of_the_servers_key() {
    let (clock, outbox, store) = (FixedClock::at(1_900_000_000), Outbox::new(), MemoryStore::new());
    let old = ServerKey::generate(&OsRandom).unwrap().to_hex();
    let key = || ServerKey::from_hex(old.expose_secret()).unwrap();
    let engine = |keys| {
        let builder = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap());
        let budget = IssuanceBudget::new(60, Duration::ZERO).unwrap();
        builder.clock(clock.clone()).issuance_budget(budget).build().unwrap()
    };
    let before = engine(ServerKeys::new(key()));
    let login = before.begin_login(PrimaryVerified::assertion(alice()), contact(), &email()).await.unwrap();
    let Login::Challenge(asked) = login else { panic!("{login:?}") };
    let code = Code::parse(&outbox.last_code().unwrap()).unwrap();

    let after = engine(ServerKeys::new(ServerKey::generate(&OsRandom).unwrap()).with_retired(key()));
    let login = after.verify_email_code(asked.flow(), &code, &email()).await.unwrap();
    assert!(is_in(&login), "{login:?}");
    // What was written since is sealed under the new key.
    assert!(before.devices(&alice()).await.is_err());
}
