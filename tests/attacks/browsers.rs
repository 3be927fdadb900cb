//! Known browsers: what an attacker without their cookie cannot do to them.

use super::*;

impl Host {
    /// Signs in by a code of the device, from a browser with this cookie, and returns the cookie that is set then.
    async fn cookie_of_login(&self, secret: &Secret, cookie: Option<&str>) -> String {
        let login = asked(self.begin_from(&app(), cookie).await);
        let passed = done(self.app_code(login.flow(), &app(), &self.code(secret)).await);
        self.wait(30);
        passed.browser().expect("a browser that signs in is known").to_cookie()
    }

    async fn block_unknown_browsers(&self, secret: &Secret) {
        for _ in 0..30 {
            let asked = self.challenge_unblocked(&app()).await;
            let _ = self.app_code(asked.flow(), &app(), &wrong(secret)).await;
        }
        self.wait(3600);
        let refused = self.challenge(&app()).await.refusal();
        assert!(matches!(refused, Some(Refusal::NewBrowsersBlocked { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn known_browser_signs_in_while_unknown_ones_are_blocked() {
    let host = Host::new();
    let secret = host.register().await;
    let cookie = host.cookie_of_login(&secret, None).await;
    host.block_unknown_browsers(&secret).await;
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    assert_eq!((login.refusal(), login.attempts_left()), (None, 5));
    assert!(is_in(&host.app_code(login.flow(), &app(), &host.code(&secret)).await));
}

/// What a host without cookies must know.
#[tokio::test]
async fn without_cookies_every_login_is_blocked() {
    let host = Host::new();
    let secret = host.register().await;
    host.log_in(&secret, &app()).await;
    host.block_unknown_browsers(&secret).await;
    let login = host.challenge(&app()).await;
    let refused = refusal(&host.app_code(login.flow(), &app(), &host.code(&secret)).await);
    assert!(matches!(refused, Some(Refusal::NewBrowsersBlocked { .. })), "{refused:?}");
    host.mfa.admin(&admin()).unblock(&alice(), &contact()).await.unwrap();
    assert!(is_in(&host.app_code(login.flow(), &app(), &host.code(&secret)).await));
}

#[tokio::test]
async fn logins_of_unknown_browsers_do_not_evict_that_of_a_known_one() {
    let host = Host::new();
    let secret = host.register().await;
    let cookie = host.cookie_of_login(&secret, None).await;
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    for _ in 0..20 {
        host.challenge(&app()).await;
    }
    assert!(is_in(&host.app_code(login.flow(), &app(), &host.code(&secret)).await));
}

/// A browser is known for the factors that it has proved. Otherwise an attacker who reads the mailbox signs in by the
/// e-mail fallback, and gets ten guesses at the app each time.
#[tokio::test]
async fn browser_that_has_proved_an_email_code_has_no_guesses_at_the_app() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let asked = host.challenge(&policy).await;
    let _ = host.send_email(asked.flow(), &policy).await;
    let passed = done(host.email_code(asked.flow(), &policy, &host.mailed()).await);
    let cookie = passed.browser().unwrap().to_cookie();
    host.block_unknown_browsers(&secret).await;
    let login = super::host::asked(host.begin_from(&policy, Some(&cookie)).await);
    let refused = refusal(&host.app_code(login.flow(), &policy, &wrong(&secret)).await);
    assert!(matches!(refused, Some(Refusal::NewBrowsersBlocked { .. })), "{refused:?}");
    // Its own factor is not blocked.
    let _ = host.send_email(login.flow(), &policy).await;
    assert!(is_in(&host.email_code(login.flow(), &policy, &host.mailed()).await));
}

/// Wrong codes of a known browser cost its token. The tenth drops it, and it is unknown then.
#[tokio::test]
async fn tenth_wrong_code_of_a_known_browser_drops_its_cookie() {
    let host = Host::new();
    let secret = host.register().await;
    let cookie = host.cookie_of_login(&secret, None).await;
    let left = async || asked(host.begin_from(&app(), Some(&cookie)).await).attempts_left();
    for expected in [5, 4, 3, 2, 1] {
        assert_eq!(left().await, expected);
        let login = asked(host.begin_from(&app(), Some(&cookie)).await);
        let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
    }
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    assert!(is_locked(&host.app_code(login.flow(), &app(), &host.code(&secret)).await));
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5, "unknown browsers have spent nothing");
    host.wait(60);
    for _ in 0..5 {
        let login = asked(host.begin_from(&app(), Some(&cookie)).await);
        let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
    }
    host.events();
    let login = asked(host.begin_from(&app(), Some(&cookie)).await);
    assert!(host.has_seen(&EventKind::BrowserNotTrusted));
    let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
    assert_eq!(host.challenge(&app()).await.attempts_left(), 4, "it is one of the unknown browsers");
}

/// A lost answer does not make a browser unknown, and a copy dies once the next cookie has arrived.
#[tokio::test]
async fn cookie_before_is_good_until_the_next_one_is_seen() {
    let host = Host::new();
    let secret = host.register().await;
    let first = host.cookie_of_login(&secret, None).await;
    let second = host.cookie_of_login(&secret, Some(&first)).await;
    host.block_unknown_browsers(&secret).await;
    let known = async |cookie: &str| asked(host.begin_from(&app(), Some(cookie)).await).refusal().is_none();
    assert!(known(&first).await, "the answer with the second one may have been lost");
    assert!(known(&second).await);
    assert!(!known(&first).await, "a copy");
    assert!(known(&second).await);
}

/// An attacker who reads the mailbox displaces browsers that have proved no more than that.
#[tokio::test]
async fn browsers_that_proved_an_email_code_displace_each_other_only() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let own = host.cookie_of_login(&secret, None).await;
    for _ in 0..20 {
        host.wait(3600);
        let asked = host.challenge(&policy).await;
        let _ = host.send_email(asked.flow(), &policy).await;
        assert!(is_in(&host.email_code(asked.flow(), &policy, &host.mailed()).await));
    }
    host.block_unknown_browsers(&secret).await;
    assert_eq!(asked(host.begin_from(&app(), Some(&own)).await).refusal(), None);
}

/// A known browser has mails of its own.
#[tokio::test]
async fn mails_of_unknown_browsers_hold_no_mail_of_a_known_one_back() {
    let host = Host::new();
    let asked_for = host.challenge(&email()).await;
    let passed = done(host.email_code(asked_for.flow(), &email(), &host.mailed()).await);
    let cookie = passed.browser().unwrap().to_cookie();
    for _ in 0..12 {
        host.wait(30);
        host.challenge(&email()).await;
    }
    assert!(matches!(host.challenge(&email()).await.refusal(), Some(Refusal::TooSoon { .. })));
    let login = asked(host.begin_from(&email(), Some(&cookie)).await);
    assert_eq!(login.refusal(), None);
    assert!(is_in(&host.email_code(login.flow(), &email(), &host.mailed()).await));
}

/// A password change with a second factor restores all; one without it a little, once in 90 days, reported or not.
#[tokio::test]
async fn password_change_gives_guesses_by_what_was_proved() {
    let units = async |host: &Host, secret: &Secret| {
        let mut units = 0;
        for _ in 0..31 {
            host.wait(3600);
            let asked = host.challenge(&app()).await;
            units += usize::from(asked.refusal().is_none());
            let _ = host.app_code(asked.flow(), &app(), &wrong(secret)).await;
        }
        units
    };
    for (reported, expected) in [(true, 10), (false, 10)] {
        let host = Host::new();
        let secret = host.register().await;
        host.block_unknown_browsers(&secret).await;
        for (password, expected) in [("password 2", expected), ("password 3", 0)] {
            host.set_password(password);
            if reported {
                host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
            }
            assert_eq!(units(&host, &secret).await, expected, "{password}, reported: {reported}");
            let told = host.outbox.sent().iter().filter(|mail| mail.notice == Some(Notice::Unblocked)).count();
            assert_eq!(told, 1, "{password}: the owner is told of what was given");
        }
    }
    let host = Host::new();
    let (secret, claims) = host.register_under(&app()).await;
    host.block_unknown_browsers(&secret).await;
    let session = host.session_of(&claims, &app()).await;
    host.set_password("password 2");
    host.open(host.mfa.profile(&session).password_changed(&host.row()).await.unwrap().unwrap());
    assert!(host.has_seen(&EventKind::GuessesRestored { by: None }));
    assert_eq!(units(&host, &secret).await, 30);
}

/// The reset by an administrator forgets the browsers with the factors.
#[tokio::test]
async fn reset_forgets_known_browsers() {
    let host = Host::new();
    let secret = host.register().await;
    let cookie = host.cookie_of_login(&secret, None).await;
    let ticket = host.reset().await;
    let secret = host.register_with(&ticket).await;
    host.block_unknown_browsers(&secret).await;
    assert!(asked(host.begin_from(&app(), Some(&cookie)).await).refusal().is_some());
}

/// Guesses at step-ups with a copy of a trusted cookie. Each sign-in without a code replaces it.
#[tokio::test]
async fn sign_ins_by_a_copied_trusted_cookie_give_no_guesses() {
    let host = Host::new();
    let secret = host.register().await;
    let mut cookie = host.trust(&secret).await.0.to_cookie();
    for _ in 0..20 {
        let passed = host.begin_from(&trusting(), Some(&cookie)).await;
        let Outcome::Done(passed) = passed else { break };
        let next = passed.browser().expect("a trusted cookie is replaced").to_cookie();
        let session = host.session_of(&host.open(passed), &trusting()).await;
        let step_up = host.step_up_asked(&session).await;
        // The step-up holds the cookie before from now on.
        if let Outcome::Done(passed) = host.begin_from(&trusting(), Some(&next)).await {
            cookie = passed.browser().expect("a trusted cookie is replaced").to_cookie();
        }
        for _ in 0..6 {
            let _ = host.app_code(step_up.flow(), &session, &wrong(&secret)).await;
        }
        host.wait(3600);
    }
    let judged = host.faults(Factor::App).len();
    assert!((10..=40).contains(&judged), "{judged}");
}

/// The same with the mailbox: each sign-in by the e-mail fallback replaces the cookie of a browser that has proved the app.
#[tokio::test]
async fn sign_ins_by_mail_and_a_copied_cookie_give_no_guesses() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let mut cookie = host.cookie_of_login(&secret, None).await;
    for _ in 0..20 {
        let guesses = asked(host.begin_from(&policy, Some(&cookie)).await);
        let login = asked(host.begin_from(&policy, Some(&cookie)).await);
        let _ = host.send_email(login.flow(), &policy).await;
        let passed = done(host.email_code(login.flow(), &policy, &host.mailed()).await);
        for _ in 0..6 {
            let _ = host.app_code(guesses.flow(), &policy, &wrong(&secret)).await;
        }
        host.wait(3600);
        cookie = passed.browser().map_or(cookie, BrowserToken::to_cookie);
    }
    let judged = host.faults(Factor::App).len();
    assert!((10..=40).contains(&judged), "{judged}");
}

/// A trusted browser whose cookie is worthless is no longer trusted, and the owner can read why.
#[tokio::test]
async fn wrong_codes_that_drop_a_trusted_cookie_are_an_event() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    let session = host.session_of(&claims, &trusting()).await;
    for _ in 0..2 {
        let step_up = host.step_up_asked(&session).await;
        for _ in 0..5 {
            let _ = host.app_code(step_up.flow(), &session, &wrong(&secret)).await;
        }
        host.wait(60);
    }
    let ended = |kind: &EventKind| matches!(kind, EventKind::BrowserTrustEnded { cause: TrustEnd::WrongCodes, .. });
    assert!(host.events().iter().any(ended));
    assert!(!is_in(&host.begin_from(&trusting(), Some(&token.to_cookie())).await));
}

/// A page that waits for the code that was mailed is not told of the lock of the app.
#[tokio::test]
async fn lock_of_the_app_is_not_shown_where_a_code_was_mailed() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    host.lock(&secret).await;
    let login = host.challenge(&policy).await;
    assert!(matches!(login.refusal(), Some(Refusal::Locked { .. })));
    let sent = asked(host.send_email(login.flow(), &policy).await);
    assert_eq!((sent.refusal(), sent.attempts_left()), (None, 5));
    assert!(is_in(&host.email_code(login.flow(), &policy, &host.mailed()).await));
}

/// A user who forgets the browsers ends their trust, and a copy of a cookie has no guesses of its own.
#[tokio::test]
async fn forgotten_browsers_are_unknown() {
    let host = Host::new();
    let secret = host.register().await;
    let known = host.cookie_of_login(&secret, None).await;
    let (trusted, claims) = host.trust(&secret).await;
    let session = host.session_of(&claims, &trusting()).await;
    host.events();
    host.mfa.profile(&session).forget_browsers().await.unwrap().unwrap();
    let ended = |kind: &EventKind| matches!(kind, EventKind::BrowserTrustEnded { cause: TrustEnd::Revoked, .. });
    assert_eq!(host.events().iter().filter(|kind| ended(kind)).count(), 1);
    host.block_unknown_browsers(&secret).await;
    for cookie in [known, trusted.to_cookie()] {
        let login = asked(host.begin_from(&trusting(), Some(&cookie)).await);
        assert!(matches!(login.refusal(), Some(Refusal::NewBrowsersBlocked { .. })), "{login:?}");
    }
    let _ = host.mfa.profile(&session).sign_out_elsewhere().await.unwrap().unwrap();
    assert_eq!(host.mfa.profile(&session).forget_browsers().await.unwrap().err(), Some(Refusal::SessionEnded));
}
