//! What leaks, what is malformed, and who is locked out.

use super::*;

#[tokio::test]
async fn debug_and_events_contain_no_secret() {
    let host = Host::new();
    let (mut shown, mut secrets) = (String::new(), Vec::new());
    let mut show = |value: &dyn std::fmt::Debug| shown.push_str(&format!("{value:?}\n{value:#?}\n"));

    show(&host.row());
    secrets.push("password 1".to_owned());
    let asked = host.challenge(&email()).await;
    secrets.push(host.outbox.last_code().unwrap());
    secrets.push(asked.flow().to_cookie());
    secrets.push(format!("{:?}", token_of(&asked.flow().to_cookie())).trim_matches(['[', ']']).to_owned());
    show(&asked);
    show(&Action::EmailCode { code: host.mailed().as_str().into() });
    show(&host.email_code(asked.flow(), &email(), &not(&host.mailed())).await);

    let enroll = host.enroll(&app()).await;
    let secret = secret_of(&enroll);
    secrets.push(secret.to_base32().expose_secret().to_owned());
    secrets.push(format!("{:?}", secret.expose_secret()).trim_matches(['[', ']']).to_owned());
    show(&(&enroll, enroll.key_uri(), enroll.key_uri().secret_base32(), enroll.key_uri().qr().unwrap(), &secret));
    let code = host.code(&secret);
    secrets.push(code.clone());
    show(&host.confirm(enroll.challenge().flow(), &app(), &code).await);
    host.wait(30);
    let (token, claims) = host.trust(&secret).await;
    secrets.push(token.to_cookie());
    show(&(&token, &claims, host.check(&claims, &off()).await));
    host.wait(30);
    show(&host.elevated(&secret).await);

    let ticket = host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    secrets.push(ticket_text(&ticket));
    show(&ticket);
    let key = ServerKey::generate(&OsRandom).unwrap();
    secrets.push(key.to_hex().expose_secret().to_owned());
    show(&(&key, host.status().await, &host.mfa, host.store.record(&alice())));
    show(&ServerKeys::new(key));
    let log = host.log.lock().unwrap();
    for event in log.iter() {
        shown.push_str(&format!("{event:?}\n{event}\n{}\n", serde_json::to_string(event).unwrap()));
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
async fn record_contains_no_code_secret_or_address_in_plain() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let enroll = host.enroll(&app()).await;
    let record = host.store.record(&alice()).unwrap();
    let text = host.outbox.last_code().unwrap();
    let secret = secret_of(&enroll);
    for needle in [text.as_bytes(), &secret.expose_secret()[..8], b"alice@example.com", b"password 1"] {
        assert!(!record.sealed().windows(needle.len()).any(|window| window == needle));
    }
    drop(asked);
}

#[tokio::test]
async fn malformed_code_is_refused_and_costs_nothing() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    let megabyte = "1".repeat(1 << 20);
    let other_length = "1234567";
    for text in
        ["", " ", "\t", "12345", "１２３４５６", "+123456", "12_34_56", "123456\n", "123456\0", &megabyte, other_length]
    {
        for action in [
            Action::AppCode { code: text.into(), device: None },
            Action::RecoveryCode { code: text.into() },
            Action::Ticket { code: text.into() },
        ] {
            let is_open = matches!(action, Action::AppCode { .. });
            let shown = format!("{:?}", text.chars().take(20).collect::<String>());
            let login = host.submit(asked.flow(), &app(), action).await;
            let refused = refusal(&login);
            assert!(refused == Some(Refusal::Malformed) || !is_open && refused == Some(Refusal::NotOpen), "{shown}");
        }
    }
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
    assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
}

#[tokio::test]
async fn malformed_name_is_refused_and_the_registration_stays_open() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let (flow, code) = (enroll.challenge().flow(), host.code(&secret_of(&enroll)));
    for name in ["", "a\nb", &"x".repeat(1 << 16)] {
        let action = Action::ConfirmApp { code: code.as_str().into(), name: Some(name.to_owned()) };
        assert_eq!(refusal(&host.submit(flow, &app(), action).await), Some(Refusal::InvalidName));
    }
    let action = Action::ConfirmApp { code: code.as_str().into(), name: Some("Alice's Pixel".to_owned()) };
    assert!(is_in(&host.submit(flow, &app(), action).await));
    assert_eq!(host.status().await.devices[0].name.as_str(), "Alice's Pixel");
}

#[tokio::test]
async fn stranger_without_the_password_locks_nobody() {
    let host = Host::new();
    let secret = host.register().await;
    let forged = forged(&[0; 32], "alice");
    for _ in 0..1000 {
        let login = host.app_code(&forged, &app(), &wrong(&secret)).await;
        assert_eq!(denied(&login), Some(Refusal::FlowEnded));
    }
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.attempts_left(), 5);
    assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
}

#[tokio::test]
async fn email_code_is_no_second_factor_in_amr() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let passed = done(host.email_code(asked.flow(), &email(), &host.mailed()).await);
    assert_eq!(passed.evidence().amr(), ["pwd"]);
    assert_eq!(passed.evidence().assurance(), Assurance::EmailCode);
}

#[tokio::test]
async fn code_outlives_a_change_of_the_server_key() {
    let (clock, outbox, store) = (FixedClock::at(NOW), Outbox::new(), MemoryStore::new());
    let old = ServerKey::generate(&OsRandom).unwrap().to_hex();
    let key = || ServerKey::from_hex(old.expose_secret()).unwrap();
    let engine = |keys| {
        let builder = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap());
        let budget = IssuanceBudget::new(60, Duration::ZERO).unwrap();
        builder.clock(clock.clone()).issuance_budget(budget).build().unwrap()
    };
    let before = engine(ServerKeys::new(key()));
    let asked = asked(before.begin_login(PrimaryVerified::assertion(row_of("alice")), &email()).await.unwrap());

    let after = engine(ServerKeys::new(ServerKey::generate(&OsRandom).unwrap()).with_retired(key()));
    let code = outbox.last_code().unwrap();
    let passed = done(after.submit(asked.flow(), &email(), Action::EmailCode { code: code.into() }).await.unwrap());
    // The session is bound to the row by the key of its login, and holds under the new one.
    let claims = passed.into_session(&row_of("alice")).unwrap();
    let check = after.check_session(&claims, &row_of("alice"), &email()).await.unwrap();
    assert!(check.session().is_ok(), "{check:?}");
    // What was written since is sealed under the new key.
    assert!(before.admin(&admin()).status(&alice()).await.is_err());
}

#[test]
fn engine_shows_its_settings() {
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let builder = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, Issuer::new("ACME").unwrap());
    let shown = format!("{builder:?}");
    assert!(shown.starts_with("MfaBuilder(") && shown.contains("ACME"), "{shown}");
    let shown = format!("{:?}", builder.build().unwrap());
    assert!(shown.starts_with("Mfa {") && shown.contains("ACME") && shown.contains("keys: "), "{shown}");
}
