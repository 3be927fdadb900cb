//! What an administrator decides, as a form, as a row, and as a policy.

use factorgate::policy::{Channel, FirstRegistration, GraceDays, InvalidPolicy, Policy};
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use crate::error::Failure;
use crate::webauthn;

/// The settings as the form holds them. Nothing is left out: what is switched off now may be switched on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) enforce: bool,
    pub(crate) app: bool,
    pub(crate) email: bool,
    pub(crate) passkey: bool,
    pub(crate) combine: Combine,
    pub(crate) email_fallback: bool,
    /// A passkey may stand in for the smartphone of a user who has both.
    pub(crate) passkey_stands_in: bool,
    pub(crate) trusted_browsers: bool,
    /// For how many days a first registration may be put off; 0 for none.
    pub(crate) grace_days: u8,
    /// `None` until the administrator has decided: there is no default for it.
    pub(crate) first: Option<FirstRegistration>,
}

/// What is asked of a user where several channels are enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Combine {
    #[default]
    Any,
    All,
}

/// The form's fields. A box that is not checked is not sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    enforce: Option<Choice>,
    app: Option<String>,
    email: Option<String>,
    passkey: Option<String>,
    #[serde(default)]
    combine: Combine,
    email_fallback: Option<String>,
    passkey_stands_in: Option<String>,
    trusted_browsers: Option<String>,
    #[serde(default)]
    grace_days: String,
    first: Option<First>,
    accept_lockout: Option<String>,
}

impl Fields {
    /// The administrator has decided to lock out every administrator all the same.
    pub(crate) fn accepts_lockout(&self) -> bool {
        self.accept_lockout.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    AfterPassword,
    AfterEmailCode,
    WithTicket,
}

/// Settings that make no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    FallbackWithoutEmail,
    Grace,
    NoChannel,
    NoFirstRegistration,
}

impl Settings {
    /// Before the administrator has decided anything.
    pub(crate) const UNDECIDED: Self = Self {
        enforce: false,
        app: true,
        email: true,
        passkey: false,
        combine: Combine::Any,
        email_fallback: false,
        passkey_stands_in: false,
        trusted_browsers: false,
        grace_days: 0,
        first: None,
    };

    /// Reads a row of the policies.
    pub(crate) fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let first: &str = row.try_get("first_registration")?;
        let combine: &str = row.try_get("combine")?;
        Ok(Self {
            enforce: row.try_get("enforce")?,
            app: row.try_get("app")?,
            email: row.try_get("email")?,
            passkey: row.try_get("passkey")?,
            combine: if combine == "any" { Combine::Any } else { Combine::All },
            email_fallback: row.try_get("email_fallback")?,
            passkey_stands_in: row.try_get("passkey_stands_in")?,
            trusted_browsers: row.try_get("trusted_browsers")?,
            grace_days: row.try_get::<Option<u8>, _>("grace_days")?.unwrap_or_default(),
            // The table takes these three and nothing else; the strictest stands last.
            first: Some(match first {
                "after_password" => FirstRegistration::AfterPassword,
                "after_email_code" => FirstRegistration::AfterEmailCode,
                _ => FirstRegistration::WithTicket,
            }),
        })
    }

    /// Writes a row of the policies. [`Checked`](crate::policies::Checked) has looked at it.
    pub(crate) async fn save(&self, db: &SqlitePool, scope: &str) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO policies (scope, enforce, app, email, passkey, combine, email_fallback, passkey_stands_in,
                 trusted_browsers, grace_days, first_registration)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (scope) DO UPDATE SET enforce = excluded.enforce, app = excluded.app, email = excluded.email,
                 passkey = excluded.passkey, combine = excluded.combine, email_fallback = excluded.email_fallback,
                 passkey_stands_in = excluded.passkey_stands_in,
                 trusted_browsers = excluded.trusted_browsers, grace_days = excluded.grace_days,
                 first_registration = excluded.first_registration",
        )
        .bind(scope)
        .bind(self.enforce)
        .bind(self.app)
        .bind(self.email)
        .bind(self.passkey)
        .bind(self.combine())
        .bind(self.email_fallback)
        .bind(self.passkey_stands_in)
        .bind(self.trusted_browsers)
        .bind(Some(self.grace_days).filter(|days| *days > 0))
        .bind(self.first())
        .execute(db)
        .await?;
        Ok(())
    }

    /// The policy that these settings are.
    pub(crate) fn to_policy(self) -> Result<Policy, Objection> {
        let first = self.first.ok_or(Objection::NoFirstRegistration)?;
        let passkey = webauthn::factor().map_err(|_| Objection::NoChannel)?;
        let channels =
            [(self.app, Channel::App), (self.email, Channel::Email), (self.passkey, Channel::External(passkey))];
        let enabled = channels.into_iter().filter_map(|(on, channel)| on.then_some(channel));
        let mut policy = match (self.enforce, self.combine) {
            (false, _) => Policy::off(first),
            (true, Combine::Any) => Policy::any_of(enabled, first)?,
            (true, Combine::All) => Policy::all_of(enabled, first)?,
        };
        if self.enforce && self.email_fallback {
            policy = policy.with_email_fallback()?;
        }
        if self.passkey_stands_in {
            policy = policy.with_stand_in(passkey)?;
        }
        if self.grace_days > 0 {
            policy = policy.with_grace(GraceDays::new(self.grace_days).map_err(|_| Objection::Grace)?);
        }
        Ok(if self.trusted_browsers { policy.with_trusted_browsers() } else { policy })
    }

    /// The settings as the audit log shows them.
    pub(crate) fn in_words(&self) -> String {
        let list = |parts: &[(bool, &str)]| {
            let named: Vec<&str> = parts.iter().filter_map(|(on, name)| on.then_some(*name)).collect();
            if named.is_empty() { "none".to_owned() } else { named.join(", ") }
        };
        let channels = list(&[(self.app, "app"), (self.email, "e-mail"), (self.passkey, "passkey")]);
        let allowed = list(&[
            (self.email_fallback, "e-mail in place of the app"),
            (self.passkey_stands_in, "passkey in place of the app"),
            (self.trusted_browsers, "trusted browsers"),
        ]);
        let enforced = if self.enforce { "enforced" } else { "not enforced" };
        let grace = match self.grace_days {
            0 => "none".to_owned(),
            days => format!("{days} days"),
        };
        let first = match self.first() {
            "after_password" => "password",
            "after_email_code" => "e-mail code",
            "with_ticket" => "ticket",
            _ => "undecided",
        };
        format!(
            "{enforced}, {} of: {channels}; first registration: {first}; allowed: {allowed}; time to register: {grace}",
            self.combine()
        )
    }

    pub(crate) fn combine(&self) -> &'static str {
        match self.combine {
            Combine::Any => "any",
            Combine::All => "all",
        }
    }

    pub(crate) fn first(&self) -> &'static str {
        match self.first {
            None => "",
            Some(FirstRegistration::AfterPassword) => "after_password",
            Some(FirstRegistration::AfterEmailCode) => "after_email_code",
            Some(_) => "with_ticket",
        }
    }
}

impl From<Fields> for Settings {
    fn from(fields: Fields) -> Self {
        Self {
            enforce: fields.enforce == Some(Choice::Yes),
            app: fields.app.is_some(),
            email: fields.email.is_some(),
            passkey: fields.passkey.is_some(),
            combine: fields.combine,
            email_fallback: fields.email_fallback.is_some(),
            passkey_stands_in: fields.passkey_stands_in.is_some(),
            trusted_browsers: fields.trusted_browsers.is_some(),
            // What is no number of days is none that will do.
            grace_days: match fields.grace_days.trim() {
                "" => 0,
                days => days.parse().unwrap_or(u8::MAX),
            },
            first: fields.first.map(|first| match first {
                First::AfterPassword => FirstRegistration::AfterPassword,
                First::AfterEmailCode => FirstRegistration::AfterEmailCode,
                First::WithTicket => FirstRegistration::WithTicket,
            }),
        }
    }
}

impl From<InvalidPolicy> for Objection {
    fn from(invalid: InvalidPolicy) -> Self {
        match invalid {
            InvalidPolicy::FallbackWithoutEmail => Self::FallbackWithoutEmail,
            _ => Self::NoChannel,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn fields(form: &str) -> Settings {
        serde_urlencoded::from_str::<Fields>(form).unwrap().into()
    }

    #[test]
    fn how_the_first_registration_is_proved_must_be_chosen() {
        assert_eq!(fields("enforce=yes&app=on").to_policy(), Err(Objection::NoFirstRegistration));
        assert!(fields("enforce=yes&app=on&first=with_ticket").to_policy().is_ok());
        assert!(serde_urlencoded::from_str::<Fields>("first=whatever").is_err());
    }

    #[test]
    fn what_cannot_be_enforced_is_refused() {
        assert_eq!(fields("enforce=yes&first=with_ticket").to_policy(), Err(Objection::NoChannel));
        let fallback = "enforce=yes&app=on&email_fallback=on&first=with_ticket";
        assert_eq!(fields(fallback).to_policy(), Err(Objection::FallbackWithoutEmail));
        for days in ["91", "-1", "999", "soon"] {
            let grace = format!("enforce=yes&app=on&grace_days={days}&first=with_ticket");
            assert_eq!(fields(&grace).to_policy(), Err(Objection::Grace), "{days}");
        }
    }
}
