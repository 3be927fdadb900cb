//! Recovery codes: made, used, renewed, guessed.

use super::*;

impl Host {
    /// Shows new recovery codes, which are not active yet.
    async fn shown(&self, held: &Secret) -> Vec<String> {
        let elevated = self.elevated(held).await;
        let new = self.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
        new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect()
    }

    async fn confirm_codes(&self, code: &str) -> Option<Refusal> {
        let session = self.session().await;
        self.mfa.profile(&session).confirm_recovery_codes(&code.into()).await.unwrap().err()
    }

    async fn codes_left(&self) -> Option<RecoveryCodesLeft> {
        self.status().await.recovery_codes
    }
}

#[tokio::test]
async fn new_codes_are_active_once_confirmed_and_the_old_ones_end() {
    let host = Host::new();
    let secret = host.register().await;
    let old = host.recovery_codes(&secret).await;
    let mine = host.claims();
    let new = host.shown(&secret).await;

    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), &new[0]).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.recovery_code(asked.flow(), &app(), &old[0]).await), "the old ones are valid until then");

    let session = host.session_of(&mine, &off()).await;
    host.mfa.profile(&session).confirm_recovery_codes(&new[0].as_str().into()).await.unwrap().unwrap();
    assert_eq!(host.last_notice(), Some(Notice::RecoveryCodesRenewed));
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), &old[1]).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.recovery_code(asked.flow(), &app(), &new[0]).await), "the confirmation does not spend it");
}

#[tokio::test]
async fn new_codes_close_what_a_stolen_old_one_has_opened() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let mine = host.claims();
    let thief = host.recover(&codes[0], &app()).await;
    let owing = host.owing(&thief, &app()).await;
    let open = asked(host.begin_completion(&owing).await);

    let session = host.session_of(&mine, &off()).await;
    let elevated = host.elevated_in(&session, &secret).await;
    let new = host.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let code = new.expose_secrets()[0].expose_secret().into();
    host.mfa.profile(&session).confirm_recovery_codes(&code).await.unwrap().unwrap();
    assert_eq!(denied(&host.register_app(open.flow(), &owing).await), Some(Refusal::FlowEnded));
    // Nor does the session of the old code pay for another completion.
    match host.check(&thief, &app()).await {
        SessionCheck::Ended => {}
        SessionCheck::Owes(owing) => {
            let begun = host.begin_completion(&owing).await;
            let login = match begun.flow() {
                Some(flow) => host.register_app(flow, &owing).await,
                None => begun,
            };
            assert!(!matches!(login, Outcome::Enroll(_)), "{login:?}");
        }
        valid => panic!("{valid:?}"),
    }
}

#[tokio::test]
async fn unconfirmed_codes_expire_and_a_typo_is_bounded_and_costs_no_attempt() {
    let host = Host::new();
    let secret = host.register().await;
    let nothing = Some(Refusal::NothingToConfirm);
    assert_eq!(host.confirm_codes(NOBODYS).await, nothing);
    assert_eq!(host.confirm_codes("0000").await, Some(Refusal::Malformed));

    let new = host.shown(&secret).await;
    host.wait(600);
    assert_eq!(host.confirm_codes(&new[0]).await, nothing);

    let new = host.shown(&secret).await;
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    host.log_in(&secret, &app()).await;
    assert_eq!(host.confirm_codes(&new[0]).await, nothing, "every session was ended");

    let new = host.shown(&secret).await;
    for _ in 0..10 {
        assert_eq!(host.confirm_codes(NOBODYS).await, Some(Refusal::WrongCode));
    }
    assert_eq!(host.confirm_codes(&new[0]).await, nothing);
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
    assert_eq!(host.codes_left().await, None);
}

#[tokio::test]
async fn recovery_code_is_less_than_a_device_and_leads_to_one() {
    let host = Host::new();
    let lost = host.register().await;
    let codes = host.recovery_codes(&lost).await;
    let claims = host.recover(&codes[0], &app()).await;
    assert_eq!((claims.evidence().assurance(), claims.evidence().amr()), (Assurance::Recovered, vec!["pwd"]));
    assert!(Assurance::EmailCode < Assurance::Recovered && Assurance::Recovered < Assurance::TwoFactor);
    assert_eq!(host.last_notice(), Some(Notice::RecoveryCodeUsed { left: 9 }));
    // Nothing of the profile can be done with a session that owes a device.
    assert_eq!(host.check(&claims, &off()).await.session().err(), Some(Refusal::StepsOwed));

    let owing = host.owing(&claims, &app()).await;
    let open = asked(host.begin_completion(&owing).await);
    assert_eq!(open.recovery_codes_left(), Some(RecoveryCodesLeft::Enough(9)));
    let device = host.device_ids().await[0];
    let enroll = enrolling(host.replace_app(open.flow(), &owing, device).await);
    let found = secret_of(&enroll);
    let whole = host.open(done(host.confirm(open.flow(), &owing, &host.code(&found)).await));
    assert_ne!(host.device_ids().await, [device]);
    assert!(host.check(&whole, &app()).await.session().is_ok());
    host.wait(30);
    let asked = host.challenge(&app()).await;
    assert!(!is_in(&host.app_code(asked.flow(), &app(), &host.code(&lost)).await));
    assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&found)).await));
}

/// A recovered session that is left alone registers nothing later: the code paid for as long as a flow is open.
#[tokio::test]
async fn recovery_code_pays_for_a_registration_for_ten_minutes() {
    for (secs, pays) in [(600, true), (601, false)] {
        let host = Host::new();
        let secret = host.register().await;
        let codes = host.recovery_codes(&secret).await;
        let claims = host.recover(&codes[0], &app()).await;
        host.wait(secs);
        let owing = host.owing(&claims, &app()).await;
        let open = asked(host.begin_completion(&owing).await);
        assert_eq!(matches!(host.register_app(open.flow(), &owing).await, Outcome::Enroll(_)), pays, "{secs}");
        // The device itself, or another code, pays later, too.
        assert!(pays || open.next() == [Step::AppCode, Step::RecoveryCode], "{:?}", open.next());
    }
}

#[tokio::test]
async fn last_code_leads_to_a_device_and_a_warning_comes_from_three_on() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    for (code, left) in codes.iter().zip((0..10).rev()) {
        host.recover(code, &app()).await;
        let expected = match left {
            0 => RecoveryCodesLeft::None,
            1..=3 => RecoveryCodesLeft::Few(left),
            _ => RecoveryCodesLeft::Enough(left),
        };
        assert_eq!(host.codes_left().await, Some(expected));
        assert!(host.has_seen(&EventKind::RecoveryCodeUsed { left }));
    }
    assert_eq!(host.challenge(&app()).await.next(), [Step::AppCode]);
    let owing = host.owing(&host.claims(), &app()).await;
    let open = asked(host.begin_completion(&owing).await);
    let enroll = enrolling(host.register_app(open.flow(), &owing).await);
    assert!(is_in(&host.confirm(open.flow(), &owing, &host.code(&secret_of(&enroll))).await));
}

#[tokio::test]
async fn recovery_code_proves_a_registration_from_the_profile() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let session = host.session().await;
    let asked = asked(host.begin_registration(&session).await);
    assert_eq!(refusal(&host.register_app(asked.flow(), &session).await), Some(Refusal::NotOpen));
    let enroll = enrolling(host.recovery_code(asked.flow(), &session, &codes[0]).await);
    assert_eq!(enroll.challenge().recovery_codes_left(), Some(RecoveryCodesLeft::Enough(9)));
    assert_eq!(enroll.challenge().paths().len(), 1);
    assert!(is_in(&host.confirm(asked.flow(), &session, &host.code(&secret_of(&enroll))).await));
}

/// A code with the first half of `code`, and another second half.
fn near(code: &str) -> String {
    let other = if code.ends_with('0') { '1' } else { '0' };
    let mut near = code.to_owned();
    near.pop();
    near.push(other);
    near
}

/// The difference between a used code and a wrong one would tell that it was right once.
#[tokio::test]
async fn used_code_is_refused_as_a_wrong_one_is() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    host.recover(&codes[0], &app()).await;
    let asked = host.challenge(&app()).await;
    for code in [&codes[0], NOBODYS, &near(&codes[1])].repeat(3) {
        let login = host.recovery_code(asked.flow(), &app(), code).await;
        assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 5), "{code}");
    }
    assert_eq!(host.faults(Factor::Recovery), [CodeFault::Replayed, CodeFault::Wrong, CodeFault::Wrong].repeat(3));
    assert_eq!(host.codes_left().await, Some(RecoveryCodesLeft::Enough(9)));
}

/// Otherwise an attacker with the password shuts the owner out of the recovery, too.
#[tokio::test]
async fn recovery_code_is_accepted_during_a_lock() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let asked = host.challenge(&app()).await;
    host.lock(&secret).await;
    assert!(is_locked(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), NOBODYS).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.recovery_code(asked.flow(), &app(), &codes[0]).await));
}

/// An attacker who has the password can neither disable the recovery codes nor lock the owner out by wrong ones: what is no
/// attempt at a code of the user is refused without a write.
#[tokio::test]
async fn recovery_codes_of_a_stranger_change_nothing() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let asked = host.challenge(&app()).await;
    let swaps = host.store.swaps();
    for n in 0..200 {
        let login = host.recovery_code(asked.flow(), &app(), &format!("{n:04}-0000-0000-0000")).await;
        assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 5));
    }
    assert_eq!(host.store.swaps(), swaps);
    assert!(!host.has_seen(&EventKind::RecoveryCodesDisabled));
    assert_eq!(host.recover(&codes[0], &app()).await.evidence().assurance(), Assurance::Recovered);
}

#[tokio::test]
async fn hundred_wrong_codes_disable_them_until_there_are_new_ones() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    // Attempts at a code: the first half is right.
    let near = near(&codes[3]);
    host.wear_out(&app(), async |flow| drop(host.recovery_code(flow, &app(), &near).await)).await;
    let disabled = host.events().into_iter().filter(|kind| *kind == EventKind::RecoveryCodesDisabled).count();
    assert_eq!(disabled, 1, "by the last of the wrong codes alone");
    assert_eq!(host.codes_left().await, Some(RecoveryCodesLeft::None));
    host.wait(10 * 365 * DAY);
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), &codes[0]).await), Some(Refusal::NotOpen));

    let new = host.recovery_codes(&secret).await;
    assert_eq!(host.recover(&new[0], &app()).await.evidence().assurance(), Assurance::Recovered);
}

#[tokio::test]
async fn recovery_code_leads_out_of_disabled_devices() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let session = host.session().await;
    host.wear_out(&app(), async |flow| drop(host.app_code(flow, &app(), &wrong(&secret)).await)).await;
    assert!(host.status().await.devices[0].disabled);
    let device = host.device_ids().await[0];
    let begun = host.step_up(&session, Duration::ZERO).await;
    assert_eq!(denied(&begun), Some(Refusal::DeviceDisabled));
    assert_eq!(host.challenge(&app()).await.next(), [Step::RecoveryCode]);
    let owing = host.owing(&host.recover(&codes[0], &app()).await, &app()).await;
    let begun = host.begin_completion(&owing).await;
    let flow = begun.flow().unwrap();
    let enroll = enrolling(host.replace_app(flow, &owing, device).await);
    let bound = secret_of(&enroll);
    // Unknown browsers are blocked by all the guesses. This one is known now.
    let passed = done(host.confirm(flow, &owing, &host.code(&bound)).await);
    let cookie = passed.browser().unwrap().to_cookie();
    host.wait(30);
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    assert!(is_in(&host.app_code(login.flow(), &app(), &host.code(&bound)).await));
}

#[tokio::test]
async fn new_codes_need_a_device_and_a_fresh_code_of_it() {
    // A step-up by mail is possible for a user without a device, and gives no recovery codes.
    let host = Host::new();
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    let elevated = done(host.email_code(asked.flow(), &session, &host.mailed()).await);
    assert_eq!(host.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().err(), Some(Refusal::Unknown));

    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let used = host.code(&secret);
    let login = host.challenge(&app()).await;
    assert!(is_in(&host.app_code(login.flow(), &app(), &used).await));
    let asked = host.step_up_asked(&session).await;
    assert_eq!(refusal(&host.app_code(asked.flow(), &session, &used).await), Some(Refusal::WrongCode));
    assert_eq!(refusal(&host.app_code(asked.flow(), &session, "12345678").await), Some(Refusal::Malformed));
    host.wait(30);
    assert!(is_in(&host.app_code(asked.flow(), &session, &host.code(&secret)).await));
    let again = host.step_up_asked(&session).await;
    let spent = host.app_code(again.flow(), &session, &host.code(&secret)).await;
    assert_eq!(refusal(&spent), Some(Refusal::WrongCode), "the first step-up has spent it");
}

#[tokio::test]
async fn recovery_code_is_accepted_as_typed_and_no_part_of_it_is() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let text = codes[0].as_str();
    let asked = host.challenge(&app()).await;
    for len in 0..text.len() {
        let login = host.recovery_code(asked.flow(), &app(), &text[..len]).await;
        assert!(matches!(refusal(&login), Some(Refusal::Malformed)), "{len}: {login:?}");
    }
    // A whole code that differs in one place only.
    let last = if text.ends_with('0') { '2' } else { '0' };
    let near = format!("{}{last}", &text[..text.len() - 1]);
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), &near).await), Some(Refusal::WrongCode));
    let typed = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    assert!(is_in(&host.recovery_code(asked.flow(), &app(), &typed).await));
}

#[tokio::test]
async fn recovery_code_of_one_user_is_wrong_for_another() {
    let mut host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    host.user = factorgate::UserId::new("bob").unwrap();
    let bobs = host.register().await;
    let own = host.recovery_codes(&bobs).await;
    let asked = host.challenge(&app()).await;
    for code in codes.iter().take(3) {
        assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), code).await), Some(Refusal::WrongCode));
    }
    assert!(is_in(&host.recovery_code(asked.flow(), &app(), &own[0]).await));
}

#[tokio::test]
async fn step_is_not_open_without_codes_or_with_the_last_device_gone() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), NOBODYS).await), Some(Refusal::NotOpen));
    let codes = host.recovery_codes(&secret).await;
    let (device, elevated) = (host.device_ids().await[0], host.elevated(&secret).await);
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    assert_eq!(host.codes_left().await, None);
    let asked = host.challenge(&app()).await;
    let login = host.recovery_code(asked.flow(), &app(), &codes[0]).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen), "{login:?}");
}

#[tokio::test]
async fn recovery_code_replaces_the_app_code_alone_if_all_channels_are_asked_for() {
    let (host, all) = (Host::new(), Policy::all_of([App, Email], AfterPassword).unwrap());
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let asked = host.challenge(&all).await;
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &all, &codes[0]).await), Some(Refusal::NotOpen));
    let next = host.email_code(asked.flow(), &all, &host.mailed()).await;
    assert!(matches!(&next, Outcome::Challenge(next) if next.next() == [Step::AppCode, Step::RecoveryCode]));
    let passed = done(host.recovery_code(asked.flow(), &all, &codes[0]).await);
    assert_eq!(passed.evidence().assurance(), Assurance::Recovered);
}

#[tokio::test]
async fn debug_events_and_mails_contain_no_recovery_code() {
    let host = Host::new();
    let secret = host.register().await;
    let elevated = host.elevated(&secret).await;
    let new = host.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let codes = new.expose_secrets();
    let mut debug = format!("{new:?} {:?} {codes:?}", new.codes);
    assert_eq!(host.confirm_codes(codes[1].expose_secret()).await, None);
    let asked = host.challenge(&app()).await;
    let login = host.recovery_code(asked.flow(), &app(), codes[0].expose_secret()).await;
    assert!(is_in(&login));
    debug += &format!("{login:?} {:?}", host.status().await);
    for event in host.log.lock().unwrap().iter() {
        debug += &format!("{event:?} {event}");
    }
    for mail in host.outbox.sent() {
        debug += &format!("{} {} {}", mail.subject, mail.text, mail.html);
    }
    for code in &codes {
        let text = code.expose_secret();
        for part in [text, &text[..9], &text.replace('-', "")] {
            assert!(!debug.contains(part));
            assert!(format!("{debug}{part}").contains(part), "the control finds it");
        }
    }
}

/// The thief uses an old code while the owner looks at the new ones.
#[tokio::test]
async fn old_code_registers_nothing_once_the_new_codes_are_confirmed() {
    let host = Host::new();
    let secret = host.register().await;
    let old = host.recovery_codes(&secret).await;
    let mine = host.claims();
    let new = host.shown(&secret).await;
    let thief = host.recover(&old[1], &app()).await;
    let owing = host.owing(&thief, &app()).await;
    let begun = asked(host.begin_completion(&owing).await);
    assert!(begun.next().contains(&Step::EnrollApp), "the control: {begun:?}");
    host.wait(1);

    let session = host.session_of(&mine, &off()).await;
    host.mfa.profile(&session).confirm_recovery_codes(&new[0].as_str().into()).await.unwrap().unwrap();
    let owing = host.owing(&thief, &app()).await;
    assert!(!asked(host.begin_completion(&owing).await).next().contains(&Step::EnrollApp));
}
