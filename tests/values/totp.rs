//! Time-based one-time passwords (RFC 6238): steps, windows, and each step once.

use core::time::Duration;

use factorgate::Timestamp;
use factorgate::otp::{Code, Digits, Hotp, InvalidTotp, Secret, TimeStep, Totp, Verdict, Window};

const NOW: Timestamp = Timestamp::from_secs(1_111_111_109); // step 37037036, code 081804

fn secret() -> Secret {
    Secret::from_bytes(b"12345678901234567890").unwrap()
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn window(past: u8, future: u8) -> Window {
    Window::new(past, future).unwrap()
}

fn at_step(step: u64) -> Code {
    Hotp::default().generate(&secret(), step)
}

#[test]
fn t09_steps_are_rounded_down_from_t0() {
    let step = |totp: Totp, secs| totp.step_at(Timestamp::from_secs(secs)).map(TimeStep::get);
    for (secs, n) in [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (u64::MAX, u64::MAX / 30)] {
        assert_eq!(step(Totp::default(), secs), Some(n));
    }
    let later = Totp::builder().t0(Timestamp::from_secs(100)).period_secs(1).build().unwrap();
    assert_eq!((step(later, 99), step(later, 100), step(later, 101)), (None, Some(0), Some(1)));
    assert_eq!(step(later, u64::MAX), Some(u64::MAX - 100));
}

#[test]
fn before_t0_there_is_no_code() {
    let totp = Totp::builder().t0(NOW).build().unwrap();
    let before = Timestamp::from_secs(NOW.as_secs() - 1);
    assert!(totp.generate(&secret(), before).is_none());
    // Neither the first code nor that of the counter below zero.
    for text in ["755224", "094451"] {
        assert_eq!(totp.check(&secret(), &code(text), before, window(10, 10), None), Verdict::Wrong);
    }
    assert_eq!(totp.generate(&secret(), NOW).unwrap().expose_secret().expose_secret(), "755224");
    assert_eq!(totp.generate_next(&secret(), before).unwrap().expose_secret().expose_secret(), "755224");
    assert_eq!(totp.remaining(before), Duration::from_secs(1));
}

#[test]
fn n01_step_zero_is_the_first() {
    for secs in [0, 1, 10, 29] {
        let at = Timestamp::from_secs(secs);
        for past in [0, 1, 10] {
            let verdict = |text| Totp::default().check(&secret(), &code(text), at, window(past, 0), None);
            assert_eq!(verdict("755224"), Verdict::Accepted(TimeStep::new(0)));
            assert_eq!(verdict("094451"), Verdict::Wrong); // the code of the counter 2^64 - 1
        }
    }
}

#[test]
fn n03_the_last_step_is_the_last() {
    let totp = Totp::builder().period_secs(1).build().unwrap();
    let verdict = |text| totp.check(&secret(), &code(text), Timestamp::from_secs(u64::MAX), window(10, 10), None);
    assert_eq!(verdict("094451"), Verdict::Accepted(TimeStep::new(u64::MAX)));
    assert_eq!(verdict("755224"), Verdict::Wrong); // the code of step 0
    assert!(totp.generate_next(&secret(), Timestamp::from_secs(u64::MAX)).is_none());
}

#[test]
fn t13_t16_w04_w05_exactly_the_steps_of_the_window_are_accepted() {
    let now = Totp::default().step_at(NOW).unwrap().get();
    for (past, future) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (10, 10)] {
        let accepted: Vec<u64> = (now - 20..=now + 20)
            .filter(|&step| {
                let found = Totp::default().verify(&secret(), &at_step(step), NOW, window(past, future), None);
                assert!(found.is_none_or(|found| found.get() == step));
                found.is_some()
            })
            .collect();
        let expected: Vec<u64> = (now - u64::from(past)..=now + u64::from(future)).collect();
        assert_eq!(accepted, expected);
    }
}

#[test]
fn t15_c1_c2_a_step_and_those_before_it_are_used_up() {
    let now = Totp::default().step_at(NOW).unwrap().get();
    let verdict =
        |step, after| Totp::default().check(&secret(), &at_step(step), NOW, window(2, 2), Some(TimeStep::new(after)));
    assert_eq!(verdict(now, now - 1), Verdict::Accepted(TimeStep::new(now)));
    assert_eq!(verdict(now, now), Verdict::Replayed);
    assert_eq!(verdict(now - 1, now), Verdict::Replayed);
    assert_eq!(verdict(now + 1, now), Verdict::Accepted(TimeStep::new(now + 1)));
    // The code of a later step was accepted, or the clock was set back.
    assert_eq!(verdict(now, now + 1), Verdict::Replayed);
    assert_eq!(verdict(now, now + 100), Verdict::Replayed);
    assert_eq!(verdict(now, u64::MAX), Verdict::Replayed);
    // What is out of the window is wrong, used or not.
    assert_eq!(verdict(now - 3, now), Verdict::Wrong);
    assert_eq!(verdict(now + 3, now), Verdict::Wrong);
    // Step 0 can be used up, too.
    let first =
        Totp::default().check(&secret(), &at_step(0), Timestamp::from_secs(5), window(1, 1), Some(TimeStep::new(0)));
    assert_eq!(first, Verdict::Replayed);
}

#[test]
fn r11_the_greatest_step_is_recorded_when_a_code_is_right_twice() {
    // 911617 is the code of the steps 910737 and 910738.
    let at = Timestamp::from_secs(910_737 * 30);
    let check = |after| Totp::default().check(&secret(), &code("911617"), at, Window::default(), after);
    assert_eq!(check(None), Verdict::Accepted(TimeStep::new(910_738)));
    assert_eq!(check(Some(TimeStep::new(910_738))), Verdict::Replayed);
    assert_eq!(check(Some(TimeStep::new(910_737))), Verdict::Accepted(TimeStep::new(910_738)));
}

#[test]
fn c01_as_many_digits_as_configured() {
    let verdict = |text| Totp::default().check(&secret(), &code(text), NOW, Window::default(), None);
    assert_eq!(verdict("081804"), Verdict::Accepted(TimeStep::new(37_037_036)));
    assert_eq!(verdict("0081804"), Verdict::Wrong);
    assert_eq!(verdict("07081804"), Verdict::Wrong);
    let eight = Totp::builder().digits(Digits::EIGHT).build().unwrap();
    assert!(eight.verify(&secret(), &code("07081804"), NOW, window(0, 0), None).is_some());
    assert!(eight.verify(&secret(), &code("081804"), NOW, window(0, 0), None).is_none());
}

#[test]
fn n06_periods_are_bounded() {
    for secs in [0, 86_401, u64::MAX] {
        assert_eq!(Totp::builder().period_secs(secs).build(), Err(InvalidTotp::Period));
    }
    for secs in [1, 86_400] {
        assert_eq!(Totp::builder().period_secs(secs).build().unwrap().period_secs(), secs);
    }
    assert_eq!(Totp::builder().build(), Ok(Totp::default()));
}

#[test]
fn n19_lifetimes() {
    assert_eq!(Totp::default().accepted_lifetime(window(0, 0)), Duration::from_secs(30));
    assert_eq!(Totp::default().accepted_lifetime(window(2, 1)), Duration::from_secs(120));
    for (secs, left) in [(0, 30), (1, 29), (29, 1), (30, 30)] {
        assert_eq!(Totp::default().remaining(Timestamp::from_secs(secs)), Duration::from_secs(left));
    }
}
