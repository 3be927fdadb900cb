//! The audit log: what the engine's observer sees, kept in the database.

use factorgate::audit::{Event, EventKind, Factor, SessionsEnd, TrustEnd};
use factorgate::policy::DenyReason;
use sqlx::SqlitePool;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::db;
use crate::error::Failure;

/// Takes events without waiting, as an observer must: it runs within the request.
#[derive(Clone)]
pub(crate) struct Log(UnboundedSender<Event>);

impl Log {
    pub(crate) fn note(&self, event: &Event) {
        println!("audit: {event}");
        // The writer ends after the last sender: this one is still here.
        let _ = self.0.send(event.clone());
    }
}

/// A log, and the task that writes it until the log is dropped.
pub(crate) fn log(db: SqlitePool) -> (Log, JoinHandle<()>) {
    let (sender, mut receiver) = unbounded_channel();
    let writer = tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if let Err(error) = keep(&db, &event).await {
                eprintln!("portal: an event was not written: {error}");
            }
        }
    });
    (Log(sender), writer)
}

async fn keep(db: &SqlitePool, event: &Event) -> Result<(), sqlx::Error> {
    let at = i64::try_from(event.at.as_secs()).unwrap_or(i64::MAX);
    sqlx::query("INSERT INTO events (number, user_id, at, kind, words) VALUES (?, ?, ?, ?, ?)")
        .bind(event.seq.and_then(|number| i64::try_from(number).ok()))
        .bind(event.user.as_str())
        .bind(at)
        .bind(kind(&event.kind))
        .bind(in_words(&event.kind))
        .execute(db)
        .await?;
    Ok(())
}

/// Notes what the portal itself has done, of which the engine knows nothing.
pub(crate) async fn note(db: &SqlitePool, user: i64, kind: &str, words: &str) -> Result<(), Failure> {
    println!("audit: user {user}: {words}");
    sqlx::query("INSERT INTO events (user_id, at, kind, words) VALUES (?, ?, ?, ?)")
        .bind(user.to_string())
        .bind(db::now()?)
        .bind(kind)
        .bind(words)
        .execute(db)
        .await?;
    Ok(())
}

/// An event, as the page shows it.
#[derive(sqlx::FromRow)]
pub(crate) struct Entry {
    pub(crate) at: i64,
    pub(crate) who: String,
    pub(crate) words: String,
    /// The class of its look.
    pub(crate) kind: String,
}

/// The newest events first.
pub(crate) async fn newest(db: &SqlitePool) -> Result<Vec<Entry>, Failure> {
    Ok(sqlx::query_as(
        "SELECT events.at, events.words, events.kind, COALESCE(users.name, 'User ' || events.user_id) AS who
         FROM events LEFT JOIN users ON users.id = CAST(events.user_id AS INTEGER)
         ORDER BY events.id DESC LIMIT 200",
    )
    .fetch_all(db)
    .await?)
}

/// What an administrator should look at, what went as it should, and the rest.
fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::BrowserTrustEnded { cause: TrustEnd::Reused, .. }
        | EventKind::DeviceDisabled { .. }
        | EventKind::EmailDisabled
        | EventKind::ExternalDisabled { .. }
        | EventKind::Locked { .. }
        | EventKind::NewBrowsersBlocked { .. }
        | EventKind::RecoveryCodesDisabled
        | EventKind::StepNotOpen { .. } => "bad",
        EventKind::BrowserNotTrusted
        | EventKind::NoticeDropped
        | EventKind::StaleRowRefused
        | EventKind::CodeRefused { .. }
        | EventKind::DeviceRemovalRefused { .. }
        | EventKind::ExemptionGranted { .. }
        | EventKind::ExternalRemovalRefused { .. }
        | EventKind::FactorsImported { .. }
        | EventKind::FactorsReset { .. }
        | EventKind::GuessesRestored { by: Some(_) }
        | EventKind::LoginDenied { .. }
        | EventKind::MailUndelivered
        | EventKind::RecoveryCodeUsed { .. }
        | EventKind::RefusedWhileLocked { .. } => "warn",
        _ => "",
    }
}

fn in_words(kind: &EventKind) -> String {
    let text = match kind {
        EventKind::AddressChanged => "Changed the e-mail address",
        EventKind::AddressChangePermitted => "Began to change the e-mail address",
        EventKind::BrowserAccepted { .. } => "Signed in from a trusted browser, without a code",
        EventKind::BrowserNotTrusted => "Used the cookie of a browser that is no longer known",
        EventKind::BrowserTrustEnded { cause, .. } => match cause {
            TrustEnd::AccountChanged => "The trust in a browser ended: the password or the address was changed",
            TrustEnd::Displaced => "A newer browser replaced the oldest trusted one",
            TrustEnd::Reused => "A used cookie of a trusted browser came back: somebody has a copy. The trust ended",
            TrustEnd::WrongCodes => "The trust in a browser ended: too many wrong codes were entered in it",
            TrustEnd::StricterPolicy => "The trust in a browser ended: the settings ask for more now",
            _ => "The trust in a browser was revoked",
        },
        EventKind::BrowserTrusted { .. } => "Trusted a browser",
        EventKind::CodeAccepted { factor } => return format!("Verified {}", factor_in_words(*factor)),
        EventKind::CodeIssued => "A code was sent by e-mail",
        EventKind::CodeRefused { factor, .. } => return format!("Refused: {}", factor_in_words(*factor)),
        EventKind::CompletionBegun => "Began to complete a sign-in",
        EventKind::CompletionCompleted => "Completed what the session owed",
        EventKind::DeviceAdded { device } => return format!("Registered device {device}"),
        EventKind::DeviceDisabled { device } => {
            return format!("Device {device} was disabled after too many wrong codes");
        }
        EventKind::DeviceRemoved { device } => return format!("Device {device} was removed"),
        EventKind::DeviceRenamed { device } => return format!("Renamed device {device}"),
        EventKind::DeviceReplaced { device, by } => return format!("Device {by} replaced device {device}"),
        EventKind::DeviceRemovalRefused { device } => {
            return format!("Device {device} was not removed: it is still needed");
        }
        EventKind::EmailDisabled => "Codes by e-mail were stopped after too many wrong ones",
        EventKind::EmailVerified { .. } => "Verified the e-mail address",
        EventKind::EnrollmentBegun => "Began to register a device",
        EventKind::ExemptionGranted { by, .. } => return format!("Exempted for a while by administrator {by}"),
        EventKind::ExemptionWithdrawn { by } => return format!("The exemption was withdrawn by administrator {by}"),
        EventKind::ExternalAdded { by: Some(by), .. } => {
            return format!("A passkey was registered by administrator {by}");
        }
        EventKind::ExternalAdded { .. } => "Registered a passkey",
        EventKind::ExternalDisabled { .. } => "The passkeys were disabled after too many failed attempts",
        EventKind::ExternalRemovalRefused { .. } => "The last passkey was not removed: it is still needed",
        EventKind::ExternalRemoved { .. } => "The last passkey was removed",
        EventKind::GraceBegun { .. } => "The time to register a smartphone began",
        EventKind::FactorsImported { by, recovery_codes } => {
            return format!(
                "Imported from another system, with {recovery_codes} recovery codes, by administrator {by}"
            );
        }
        EventKind::FactorsReset { by } => return format!("All factors were reset by administrator {by}"),
        EventKind::GuessesGranted => "A change of the password gave new browsers a few attempts again",
        EventKind::GuessesRestored { by: Some(by) } => {
            return format!("Sign-in from new browsers was unblocked by administrator {by}");
        }
        EventKind::GuessesRestored { .. } => "A change of the password unblocked sign-in from new browsers",
        EventKind::Locked { .. } => "Locked for a while after wrong codes",
        EventKind::LoginBegun => "Began to sign in",
        EventKind::LoginCompleted => "Completed a sign-in",
        EventKind::LoginDenied { reason } => match reason {
            DenyReason::NoExternalFactor => "Turned away: no passkey is registered",
            DenyReason::NoFirstEnrollmentProof => "Turned away: a ticket is needed first",
            DenyReason::NoUsableEmail => "Turned away: there is no address for a code",
            _ => "Turned away by the settings",
        },
        EventKind::MailUndelivered => "A mail could not be delivered",
        EventKind::NewBrowsersBlocked { .. } => "Sign-in from new browsers is blocked after too many wrong codes",
        EventKind::NoticeDropped => "A notice could not be delivered for a long time, and was dropped",
        EventKind::RecoveryCodeUsed { left } => return format!("Used a recovery code; {left} left"),
        EventKind::RecoveryCodesDisabled => "The recovery codes were disabled after too many wrong ones",
        EventKind::RecoveryCodesRenewed => "Activated new recovery codes",
        EventKind::RecoveryCodesShown => "New recovery codes were shown",
        EventKind::RefusedWhileLocked { .. } => "Entered a code while locked",
        EventKind::RegistrationBegun => "Was asked to confirm before a registration",
        EventKind::RegistrationCompleted => "Completed a registration",
        EventKind::SessionsEnded { cause } => match cause {
            SessionsEnd::AccountChanged => "All sessions ended: the account was changed",
            SessionsEnd::Administrator => "All sessions were ended by an administrator",
            SessionsEnd::PasswordChanged => "All other sessions ended: the password was changed",
            _ => "Ended all other sessions",
        },
        EventKind::StaleRowRefused => "A sign-in with the old password or address was refused",
        EventKind::StepNotOpen { .. } => "Tried a step that was not open",
        EventKind::StepUpBegun => "Was asked to confirm a dangerous operation",
        EventKind::StepUpCompleted => "Confirmed a dangerous operation",
        EventKind::TicketIssued { by } => return format!("A ticket was issued by administrator {by}"),
        EventKind::UserErased { .. } => "Everything about the user was erased",
        other => return other.name().replace('_', " "),
    };
    text.to_owned()
}

fn factor_in_words(factor: Factor) -> &'static str {
    match factor {
        Factor::App => "a code of the smartphone",
        Factor::Email => "a code by e-mail",
        Factor::External(_) => "a passkey",
        Factor::Enrollment => "the first code of a new device",
        Factor::Recovery => "a recovery code",
        Factor::RecoveryConfirmation => "a recovery code, to confirm new ones",
        Factor::Ticket => "a ticket",
        _ => "another factor",
    }
}
