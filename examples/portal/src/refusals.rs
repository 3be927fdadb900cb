//! What users read when something was refused: one table, by the code of the refusal.

use factorgate::policy::{Denial, DenyReason};
use factorgate::{Refusal, Timestamp};

/// For each code what is wrong, and what to do next. `{wait}` is how long the user has to wait.
const TEXTS: &[(&str, &str, &str)] = &[
    ("account_changed", "Your account was changed.", "Sign in again."),
    (
        "algorithm_ignored",
        "Your authenticator app computes its codes differently.",
        "Add the account again with another authenticator app.",
    ),
    ("choose_device", "You have several devices.", "Choose the one that shows the code, then enter the code again."),
    (
        "clock_off",
        "The clock of your phone is wrong.",
        "Turn on automatic date and time on your phone, then enter the next code.",
    ),
    (
        "device_disabled",
        "What you sign in with was disabled after too many wrong attempts.",
        "Ask your administrator to reset your sign-in.",
    ),
    ("device_limit", "You have the maximum number of devices.", "Remove or replace one of them first."),
    ("exemption_over", "The exemption would end before it begins.", "Enter at least one day."),
    ("flow_ended", "This page has expired.", "Start again."),
    ("has_factor", "This user already has, or had, a second factor.", "Let the user verify it to add another one."),
    ("import_in_future", "The last used code is dated in the future.", "Check the units of the exported time steps."),
    ("invalid_name", "That name can't be used.", "Enter 1 to 64 characters, without line breaks."),
    ("last_factor", "Without it you couldn't sign in again.", "Replace it, or register another device first."),
    (
        "locked",
        "Too many attempts. Try again in {wait}, or use a browser that you have signed in with before.",
        "If it wasn't you, change your password: someone else knows it.",
    ),
    ("mail_refused", "We couldn't send the mail with your code.", "Request a new code."),
    ("malformed", "That doesn't look like a code.", "Check what you typed."),
    (
        "new_browsers_blocked",
        "Sign-in from new browsers is blocked.",
        "Use a browser that you have signed in with before, or a recovery code, or ask your administrator. If it wasn't \
         you, change your password: someone else knows it.",
    ),
    ("no_hash_checker", "The recovery codes can't be checked here.", "Leave them out."),
    ("not_fresh", "This page was open for too long.", "Try again."),
    ("not_open", "That isn't needed now.", "Continue on this page."),
    ("nothing_to_confirm", "Those recovery codes have expired.", "Create new ones."),
    ("policy", "You can't sign in yet.", "Ask your administrator for help."),
    ("session_ended", "Your session has ended.", "Sign in again."),
    ("step_up_expired", "Your confirmation has expired.", "Start again."),
    ("steps_owed", "One more step is needed.", "Complete your sign-in first."),
    ("too_soon", "A code was sent a moment ago.", "You can request a new one in {wait}."),
    ("trust_not_allowed", "This browser can't be trusted now.", "Sign in again with a code, and tick the box."),
    ("unknown", "That device is no longer registered.", "Choose another one."),
    ("wrong_code", "That code didn't work.", "Check it and try again."),
];

/// What a code was entered for, where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    App,
    Email,
    Other,
    Passkey,
    Recovery,
    Register,
    Ticket,
}

/// The texts that depend on what was entered.
const OF_KIND: &[(&str, Kind, &str, &str)] = &[
    (
        "wrong_code",
        Kind::App,
        "That code didn't work.",
        "Wait for the next one. If it keeps failing, check that your phone sets its time automatically.",
    ),
    ("wrong_code", Kind::Email, "That code didn't work.", "Enter the code from our newest mail, or request a new one."),
    ("wrong_code", Kind::Passkey, "That passkey didn't work.", "Try again, or use another way."),
    ("wrong_code", Kind::Recovery, "That recovery code didn't work.", "Each code works once. Try another one."),
    (
        "wrong_code",
        Kind::Register,
        "That code didn't work.",
        "Enter the code that your app shows now. If it keeps failing, check that your phone sets its time automatically.",
    ),
    ("wrong_code", Kind::Ticket, "That ticket didn't work.", "Check it, or ask your administrator for a new one."),
    ("malformed", Kind::App, "A code from the app has 6 digits.", "Enter all of them."),
    ("malformed", Kind::Email, "A code from the mail has 8 digits.", "Enter all of them."),
    ("malformed", Kind::Recovery, "A recovery code has 16 letters and digits.", "Enter all of them."),
    ("malformed", Kind::Register, "A code from the app has 6 digits.", "Enter all of them."),
    ("malformed", Kind::Ticket, "A ticket has 26 letters and digits.", "Enter all of them."),
];

/// A refusal as a user reads it.
pub(crate) struct Told {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) next: String,
}

impl Told {
    pub(crate) fn sentence(&self) -> String {
        format!("{} {}", self.what, self.next)
    }
}

/// What to tell a user of a refusal.
pub(crate) fn told(refusal: Refusal, kind: Kind, now: Timestamp) -> Told {
    if let Refusal::Policy(denial) = refusal {
        return denied(denial);
    }
    let wait = refusal.retry_at().map_or_else(String::new, |at| wait(at, now));
    let (what, next) = texts(refusal.code(), kind);
    Told { what: what.replace("{wait}", &wait), next: next.replace("{wait}", &wait) }
}

fn texts(code: &str, kind: Kind) -> (&'static str, &'static str) {
    let special = OF_KIND.iter().find(|(of, entered, ..)| *of == code && *entered == kind);
    let special = special.map(|(_, _, what, next)| (*what, *next));
    let general = || TEXTS.iter().find(|(of, ..)| *of == code).map(|(_, what, next)| (*what, *next));
    // A code of a later version of the library has no text of its own yet.
    special.or_else(general).unwrap_or(("That didn't work.", "Try again, or ask your administrator for help."))
}

/// Why the company's settings leave a user no way.
fn denied(denial: Denial) -> Told {
    let (what, next) = match denial.reason {
        DenyReason::NoExternalFactor => {
            ("Your company requires a passkey, and you have none.", "Ask your administrator for help.")
        }
        DenyReason::NoFirstEnrollmentProof => (
            "Your company requires a smartphone, and you need a ticket to register the first one.",
            "Ask your administrator for a ticket, then come back.",
        ),
        DenyReason::NoUsableEmail => (
            "We need to send you a code by e-mail, and there is no address that we can use.",
            "Ask your administrator for help.",
        ),
        _ => texts("policy", Kind::Other),
    };
    Told { what: what.to_owned(), next: next.to_owned() }
}

/// How long it is until then, rounded up.
pub(crate) fn wait(until: Timestamp, now: Timestamp) -> String {
    match until.saturating_since(now).as_secs() {
        0..60 => "less than a minute".to_owned(),
        seconds => match seconds.div_ceil(60) {
            1 => "1 minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_text_and_no_text_is_without_a_refusal() {
        let coded: Vec<&str> = TEXTS.iter().map(|(code, ..)| *code).collect();
        assert_eq!(coded, Refusal::CODES);
        for (code, kind, ..) in OF_KIND {
            assert!(Refusal::CODES.contains(code), "{code}");
            assert_eq!(OF_KIND.iter().filter(|(of, entered, ..)| of == code && entered == kind).count(), 1, "{code}");
        }
    }

    #[test]
    fn no_text_shows_a_code_or_a_placeholder() {
        let now = Timestamp::from_secs(1_000_000);
        let until = Timestamp::from_secs(1_000_061);
        for refusal in [
            Refusal::ChooseDevice,
            Refusal::Locked { until },
            Refusal::NewBrowsersBlocked { regained_at: until },
            Refusal::TooSoon { retry_at: until },
            Refusal::WrongCode,
        ] {
            let told = told(refusal, Kind::App, now).sentence();
            assert!(!told.contains(['{', '_']), "{told}");
        }
        let locked = told(Refusal::Locked { until }, Kind::App, now).sentence();
        assert!(locked.starts_with("Too many attempts. Try again in 2 minutes, or use a browser"), "{locked}");
    }

    #[test]
    fn wait_is_rounded_up() {
        let now = Timestamp::from_secs(1_000_000);
        for (seconds, text) in [
            (0, "less than a minute"),
            (59, "less than a minute"),
            (60, "1 minute"),
            (61, "2 minutes"),
            (600, "10 minutes"),
        ] {
            assert_eq!(wait(Timestamp::from_secs(1_000_000 + seconds), now), text);
        }
    }
}
