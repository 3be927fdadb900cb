//! How far the settings keep out somebody who has a password and guesses, in plain words.

use factorgate::policy::{Attack, Attacker, Policy, Standing};

/// The chances against one kind of user.
pub(super) struct Chance {
    pub(super) who: &'static str,
    pub(super) day: String,
    pub(super) year: String,
    /// Within a year, of somebody who reads the user's mail as well.
    pub(super) with_mailbox: String,
    /// Nothing has to be guessed.
    pub(super) open: bool,
}

pub(super) fn chances(policy: &Policy, kinds: impl IntoIterator<Item = (&'static str, Standing)>) -> Vec<Chance> {
    let alone = Attack::default();
    let mut with_mailbox = alone;
    with_mailbox.attacker = Attacker::Mailbox;
    let of_kind = |(who, user): (&'static str, Standing)| {
        let odds = policy.odds(&user, &alone);
        let with_mailbox = in_words(policy.odds(&user, &with_mailbox).per_year);
        let (day, year) = (in_words(odds.per_day), in_words(odds.per_year));
        Chance { who, day, year, with_mailbox, open: odds.per_day >= 1.0 }
    };
    kinds.into_iter().map(of_kind).collect()
}

fn in_words(chance: f64) -> String {
    if chance >= 1.0 {
        return "Certain".to_owned();
    }
    if chance <= 0.0 {
        return "None".to_owned();
    }
    if chance > 0.5 {
        return format!("About {} in 100", (chance * 100.0).floor());
    }
    format!("About 1 in {}", two_figures(1.0 / chance))
}

/// A number as people say it: two figures, and groups of three digits.
fn two_figures(number: f64) -> String {
    let magnitude = 10_f64.powf((number.log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (number / magnitude).round() * magnitude);
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use factorgate::policy::{Channel, DeviceStanding, FirstRegistration};

    #[test]
    fn a_chance_is_told_as_people_tell_it() {
        for (chance, text) in [
            (1.0, "Certain"),
            (0.0, "None"),
            (0.999, "About 99 in 100"),
            (0.25, "About 1 in 4"),
            (3.0e-4, "About 1 in 3,300"),
            (1.0 / 66_666.0, "About 1 in 67,000"),
            (1.0e-9, "About 1 in 1,000,000,000"),
        ] {
            assert_eq!(in_words(chance), text);
        }
    }

    #[test]
    fn a_password_alone_is_certain_where_it_registers_a_smartphone_and_a_code_has_odds() {
        let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
        let mut registered = Standing::new();
        registered.device = DeviceStanding::Confirmed { recovery_codes: false };
        let chances = chances(&policy, [("new", Standing::new()), ("registered", registered)]);
        assert!(chances[0].open, "whoever has the password registers the first smartphone");
        assert!(!chances[1].open && chances[1].day.starts_with("About 1 in ") && chances[1].day != chances[1].year);
    }
}
