//! Clocks that are off.

use core::time::Duration;

use factorgate::Timestamp;
use factorgate::otp::{
    Algorithm, ClockSkew, Code, Digits, Drift, Hotp, InvalidDrift, Secret, TimeStep, Totp, Verdict, Window,
};

const NOW: Timestamp = Timestamp::from_secs(1_111_111_109); // step 37037036

fn secret() -> Secret {
    Secret::from_bytes(b"12345678901234567890").unwrap()
}

fn code_of(step: u64) -> Code {
    Hotp::default().generate(&secret(), step)
}

fn accepted(at: u64, drift: i8, step: u64) -> bool {
    let (at, drift) = (Timestamp::from_secs(at * 30), Drift::new(drift).unwrap());
    match Totp::default().check_with_drift(&secret(), &code_of(step), at, Window::default(), drift, None) {
        Verdict::Accepted(found) => found.get() == step,
        _ => false,
    }
}

#[test]
fn r12_the_window_is_moved_and_not_widened() {
    for drift in -10..=10 {
        let steps: Vec<i64> =
            (-20..=20).filter(|by| accepted(1000, drift, 1000_u64.saturating_add_signed(*by))).collect();
        let center = i64::from(drift);
        assert_eq!(steps, [center - 1, center, center + 1]);
    }
}

#[test]
fn without_a_drift_it_is_the_check() {
    for step in 37_037_030..=37_037_042 {
        for after in [None, Some(TimeStep::new(37_037_036))] {
            let plain = Totp::default().check(&secret(), &code_of(step), NOW, Window::default(), after);
            let drift = Drift::default();
            let other =
                Totp::default().check_with_drift(&secret(), &code_of(step), NOW, Window::default(), drift, after);
            assert_eq!(plain, other);
        }
    }
}

#[test]
fn n01_n03_the_ends_of_the_steps() {
    assert!(accepted(0, -1, 0) && !accepted(0, -2, 0) && accepted(0, 1, 0) && accepted(0, 1, 2));
    let totp = Totp::builder().period_secs(1).build().unwrap();
    let at = Timestamp::from_secs(u64::MAX);
    let check = |drift, step| {
        totp.check_with_drift(&secret(), &code_of(step), at, Window::default(), Drift::new(drift).unwrap(), None)
    };
    assert_eq!(check(1, u64::MAX), Verdict::Accepted(TimeStep::new(u64::MAX)));
    assert_eq!(check(2, u64::MAX), Verdict::Wrong);
    assert_eq!(check(1, 0), Verdict::Wrong);
    let later = Totp::builder().t0(NOW).build().unwrap();
    let before = Timestamp::from_secs(NOW.as_secs() - 1);
    let drift = Drift::new(10).unwrap();
    assert_eq!(later.check_with_drift(&secret(), &code_of(0), before, Window::default(), drift, None), Verdict::Wrong);
    assert_eq!(later.learn(drift, before, TimeStep::new(0)), drift);
}

#[test]
fn r12_learning_is_slow_bounded_and_goes_back() {
    let totp = Totp::default();
    let now = totp.step_at(NOW).unwrap().get();
    let mut drift = Drift::default();
    for login in 1..=100 {
        // Always one step later than what is known.
        let step = now.saturating_add_signed(i64::from(drift.steps()) - 1);
        drift = totp.learn(drift, NOW, TimeStep::new(step));
        assert_eq!(drift.steps(), -login.min(10));
    }
    assert_eq!(totp.learn(drift, NOW, TimeStep::new(now)).steps(), -9);
    assert_eq!(totp.learn(drift, NOW, TimeStep::new(u64::MAX)).steps(), -9);
    assert_eq!(totp.learn(Drift::default(), NOW, TimeStep::new(now)), Drift::default());
    assert_eq!(totp.learn(Drift::default(), NOW, TimeStep::new(0)).steps(), -1);
}

#[test]
fn drifts_are_bounded() {
    for steps in [-11, 11, i8::MIN, i8::MAX] {
        assert_eq!(Drift::new(steps), Err(InvalidDrift));
    }
    assert_eq!(Drift::new(-10).unwrap().steps(), -10);
}

#[test]
fn a_diagnosis_tells_how_far_and_which_way() {
    let now = Totp::default().step_at(NOW).unwrap().get();
    let diagnose = |step| Totp::default().diagnose(&secret(), &code_of(step), NOW);
    for by in [1, 2, 14, 119, 120] {
        assert_eq!(diagnose(now - by), Some(ClockSkew::Behind(Duration::from_secs(by * 30))));
        assert_eq!(diagnose(now + by), Some(ClockSkew::Ahead(Duration::from_secs(by * 30))));
    }
    assert_eq!((diagnose(now), diagnose(now - 121), diagnose(now + 121)), (None, None, None));
    // The nearest counts: 911617 is the code of the steps 910737 and 910738.
    let twice = Totp::default().diagnose(&secret(), &code_of(910_737), Timestamp::from_secs(910_740 * 30));
    assert_eq!(twice, Some(ClockSkew::Behind(Duration::from_secs(60))));
    // As many digits as the configuration says.
    let eight = Hotp::new(Algorithm::Sha1, Digits::EIGHT).generate(&secret(), now - 1);
    assert_eq!(Totp::default().diagnose(&secret(), &eight, NOW), None);
}

#[test]
fn a_diagnosis_at_the_ends_of_the_steps() {
    let totp = Totp::builder().period_secs(86_400).build().unwrap();
    let skew = totp.diagnose(&secret(), &code_of(5), Timestamp::from_secs(0));
    assert_eq!(skew, Some(ClockSkew::Ahead(Duration::from_secs(5 * 86_400))));
    let totp = Totp::builder().period_secs(1).build().unwrap();
    let skew = totp.diagnose(&secret(), &code_of(u64::MAX - 3), Timestamp::from_secs(u64::MAX));
    assert_eq!(skew, Some(ClockSkew::Behind(Duration::from_secs(3))));
}

#[test]
fn a_skew_is_told_in_words() {
    let told = |secs| format!("{}", ClockSkew::Ahead(Duration::from_secs(secs)));
    assert_eq!(
        (told(90), told(119), told(120), told(420)),
        (
            "about 90 seconds ahead".into(),
            "about 119 seconds ahead".into(),
            "about 2 minutes ahead".into(),
            "about 7 minutes ahead".into()
        )
    );
}
