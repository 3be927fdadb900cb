//! The odds of guessing, as an administrator is told them.

use factorgate::otp::{Digits, Window};
use factorgate::policy::Channel::{self, App, Email};
use factorgate::policy::{
    Attack, Attacker, DeviceStanding, EmailStanding, ExternalFactor, FirstRegistration, Odds, Policy, Standing,
};

fn odds(policy: &Policy, set: impl FnOnce(&mut Standing)) -> Odds {
    let mut user = Standing::new();
    set(&mut user);
    policy.odds(&user, &Attack::default())
}

fn both_of(odds: Odds) -> (f64, f64) {
    (odds.per_day, odds.per_year)
}

fn with(change: impl FnOnce(&mut Attack)) -> Attack {
    let mut attack = Attack::default();
    change(&mut attack);
    attack
}

#[test]
fn odds_are_those_of_the_units() {
    let policy = |channel| Policy::any_of([channel], FirstRegistration::AfterEmailCode).unwrap();
    let mut user = Standing::new();
    user.device = DeviceStanding::Confirmed { recovery_codes: false };
    let one_in = |attack: &Attack| (1.0 / policy(App).odds(&user, attack).per_year).round();
    let window = |past, future| with(|attack| attack.window = Window::new(past, future).unwrap());
    let by = |attacker| with(|attack| attack.attacker = attacker);
    for (attack, year) in [
        (Attack::default(), 5_953.0),
        (with(|attack| attack.devices = 5), 5_953.0),
        (window(0, 0), 17_858.0),
        (window(2, 2), 7_143.0),
        (window(3, 3), 7_937.0),
        (with(|attack| attack.app_digits = Digits::EIGHT), 595_239.0),
        (by(Attacker::Mailbox), 3_145.0),
        (by(Attacker::CopiedCookie), 5_051.0),
        (by(Attacker::FinishedByOwner), 1_023.0),
    ] {
        assert_eq!(one_in(&attack), year, "{attack:?}");
    }
    assert_eq!((1.0 / policy(App).odds(&user, &Attack::default()).per_day).round(), 11_112.0);
    let many = with(|attack| (attack.devices, attack.attacker) = (5, Attacker::CopiedCookie));
    assert!(one_in(&many) < one_in(&by(Attacker::CopiedCookie)));

    let mut mailed = Standing::new();
    mailed.email = Some(EmailStanding { verified: true, tainted: false });
    assert_eq!((1.0 / policy(Email).odds(&mailed, &Attack::default()).per_year).round(), 1_785_715.0);
    assert_eq!(policy(Email).odds(&mailed, &by(Attacker::Mailbox)).per_day, 1.0);
}

fn near(odds: f64, expected: f64) {
    assert!((odds - expected).abs() <= expected * 1e-3, "{odds}, not {expected}");
}

#[test]
fn the_weakest_path_of_a_plan_is_what_counts() {
    let first = FirstRegistration::AfterEmailCode;
    let any = |channels: &[Channel]| Policy::any_of(channels.iter().copied(), first).unwrap();
    let verified = Some(EmailStanding { verified: true, tainted: false });
    let device = |u: &mut Standing| u.device = DeviceStanding::Confirmed { recovery_codes: true };
    let with_email = |u: &mut Standing| u.email = verified;
    let both = |u: &mut Standing| (u.device, u.email) = (DeviceStanding::Confirmed { recovery_codes: false }, verified);

    // 56 guesses: of a million codes, three are right; of a hundred million, one.
    let (app, mail) = (1.68e-4, 5.6e-7);
    near(odds(&any(&[App]), device).per_year, app);
    near(odds(&any(&[Email]), with_email).per_year, mail);
    near(odds(&any(&[App]), with_email).per_year, mail);
    near(odds(&Policy::all_of([App, Email], first).unwrap(), both).per_year, app * mail);
    near(odds(&any(&[App, Email]).with_email_fallback().unwrap(), both).per_year, app + mail);
    near(odds(&any(&[App]), device).per_day, 9.0e-5);

    let certain = (1.0, 1.0);
    let never = (0.0, 0.0);
    assert_eq!(both_of(odds(&Policy::off(first), |_| {})), certain);
    let after_password = Policy::any_of([App], FirstRegistration::AfterPassword).unwrap();
    assert_eq!(both_of(odds(&after_password, |_| {})), certain, "the attacker registers");
    assert_eq!(both_of(odds(&any(&[App]), |_| {})), never, "there is no way in");
    assert_eq!(both_of(odds(&any(&[App]), |u| u.ticket = true)), never, "a ticket has 128 bits");
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    assert_eq!(both_of(odds(&any(&[Channel::External(passkey)]), |u| u.external = [passkey].into())), never);
    let trusting = any(&[App]).with_trusted_browsers();
    near(
        odds(&trusting, |u| (u.device, u.trusted) = (DeviceStanding::Confirmed { recovery_codes: false }, true))
            .per_year,
        app,
    );
}
