//! What the administrator has decided for the company.

use factorgate::policy::{Channel, FirstRegistration, InvalidPolicy, Policy};
use serde::Deserialize;
use sqlx::{Row as _, SqlitePool};

use crate::error::Failure;

/// The settings as the form holds them. Nothing is left out: what is switched off now may be switched on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) enforce: bool,
    pub(crate) app: bool,
    pub(crate) email: bool,
    pub(crate) combine: Combine,
    pub(crate) email_fallback: bool,
    /// `None` until the administrator has decided: there is no default for it.
    pub(crate) first: Option<FirstRegistration>,
}

/// What is asked of a user where both channels are enabled.
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
    #[serde(default)]
    combine: Combine,
    email_fallback: Option<String>,
    first: Option<First>,
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
    NoChannel,
    NoFirstRegistration,
}

impl Settings {
    /// Before the administrator has decided anything.
    const UNDECIDED: Self =
        Self { enforce: false, app: true, email: true, combine: Combine::Any, email_fallback: false, first: None };

    pub(crate) async fn load(db: &SqlitePool) -> Result<Self, Failure> {
        let Some(row) = sqlx::query("SELECT * FROM settings WHERE id = 1").fetch_optional(db).await? else {
            return Ok(Self::UNDECIDED);
        };
        let first: &str = row.try_get("first_registration")?;
        let combine: &str = row.try_get("combine")?;
        Ok(Self {
            enforce: row.try_get("enforce")?,
            app: row.try_get("app")?,
            email: row.try_get("email")?,
            combine: if combine == "any" { Combine::Any } else { Combine::All },
            email_fallback: row.try_get("email_fallback")?,
            // The table takes these three and nothing else; the strictest stands last.
            first: Some(match first {
                "after_password" => FirstRegistration::AfterPassword,
                "after_email_code" => FirstRegistration::AfterEmailCode,
                _ => FirstRegistration::WithTicket,
            }),
        })
    }

    pub(crate) async fn save(&self, db: &SqlitePool) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO settings (id, enforce, app, email, combine, email_fallback, first_registration)
             VALUES (1, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET enforce = excluded.enforce, app = excluded.app, email = excluded.email,
                 combine = excluded.combine, email_fallback = excluded.email_fallback,
                 first_registration = excluded.first_registration",
        )
        .bind(self.enforce)
        .bind(self.app)
        .bind(self.email)
        .bind(self.combine())
        .bind(self.email_fallback)
        .bind(self.first())
        .execute(db)
        .await?;
        Ok(())
    }

    /// The policy that these settings are.
    pub(crate) fn to_policy(self) -> Result<Policy, Objection> {
        let first = self.first.ok_or(Objection::NoFirstRegistration)?;
        if !self.enforce {
            return Ok(Policy::off(first));
        }
        let channels = [(self.app, Channel::App), (self.email, Channel::Email)];
        let enabled = channels.into_iter().filter_map(|(on, channel)| on.then_some(channel));
        let policy = match self.combine {
            Combine::Any => Policy::any_of(enabled, first),
            Combine::All => Policy::all_of(enabled, first),
        };
        let policy = policy.map_err(Objection::from)?;
        if self.email_fallback { policy.with_email_fallback().map_err(Objection::from) } else { Ok(policy) }
    }

    /// The policy in force. Before the administrator has decided, nothing is enforced, and who registers a
    /// smartphone from the profile proves the address first.
    pub(crate) async fn policy(db: &SqlitePool) -> Result<Policy, Failure> {
        let settings = Self::load(db).await?;
        let first = settings.first.or(Some(FirstRegistration::AfterEmailCode));
        Self { first, ..settings }
            .to_policy()
            .map_err(|objection| Failure::internal(format!("the saved settings make no policy: {objection:?}")))
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
            combine: fields.combine,
            email_fallback: fields.email_fallback.is_some(),
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
mod tests {
    use super::*;
    use crate::config::Database;

    fn fields(form: &str) -> Settings {
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
    }

    #[tokio::test]
    async fn what_is_saved_is_what_is_loaded() {
        let db = crate::db::open(&Database::Memory).await.unwrap();
        assert_eq!(Settings::load(&db).await.unwrap(), Settings::UNDECIDED);
        for form in [
            "enforce=yes&app=on&email=on&combine=all&email_fallback=on&first=with_ticket",
            "enforce=no&app=on&first=after_password",
            "enforce=yes&email=on&combine=any&first=after_email_code",
        ] {
            let settings = fields(form);
            settings.save(&db).await.unwrap();
            assert_eq!(Settings::load(&db).await.unwrap(), settings, "{form}");
        }
    }
}
