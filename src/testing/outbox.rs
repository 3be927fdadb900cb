//! Mails in memory, with faults.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::blocking::Immediate;
use crate::mail::{Mail, Mailer, Notice, Undelivered};
use crate::user::EmailAddress;

/// A mailer that keeps what it is given. Its clones are the same outbox.
///
/// ```
/// use factorgate::testing::{Kit, MailFault};
///
/// let kit = Kit::new();
/// kit.outbox.set_fault(Some(MailFault::Unknown)); // mails arrive, and the line drops
/// assert!(kit.outbox.sent().is_empty() && kit.outbox.last_code().is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    sent: Vec<Sent>,
    fault: Option<MailFault>,
}

/// A mail that was sent, codes and all: for tests only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Where it went.
    pub to: EmailAddress,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its HTML.
    pub html: String,
    /// The code, if it carries one.
    pub code: Option<String>,
    /// What it tells, if it is word of a change.
    pub notice: Option<Notice>,
}

/// How an [`Outbox`] fails, until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailFault {
    /// Mails are not taken.
    Refused,
    /// Mails are taken, and the line drops.
    Unknown,
}

/// The fault that an [`Outbox`] was told to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outbox has the fault that it was told to have")]
pub struct MailFailed;

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the fault of all later calls; `None` ends it.
    pub fn set_fault(&self, fault: Option<MailFault>) {
        self.inner().fault = fault;
    }

    /// Returns the names of the notices that were sent, oldest first.
    #[must_use]
    pub fn notices(&self) -> Vec<&'static str> {
        self.inner().sent.iter().filter_map(|mail| mail.notice.as_ref().map(Notice::name)).collect()
    }

    /// Makes the outbox refuse every mail, or accept them again.
    pub fn refuse(&self, refuse: bool) {
        self.set_fault(refuse.then_some(MailFault::Refused));
    }

    /// Every mail that was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.inner().sent.clone()
    }

    /// The code of the newest mail that carries one.
    #[must_use]
    pub fn last_code(&self) -> Option<String> {
        self.inner().sent.iter().rev().find_map(|mail| mail.code.clone())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Immediate for Outbox {}

impl Mailer for Outbox {
    type Error = MailFailed;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<MailFailed>> {
        let mut inner = self.inner();
        if inner.fault == Some(MailFault::Refused) {
            return Err(Undelivered::Refused(MailFailed));
        }
        inner.sent.push(Sent {
            to: mail.to().clone(),
            subject: mail.subject(),
            text: mail.text().expose_secret().to_owned(),
            html: mail.html().expose_secret().to_owned(),
            code: match mail {
                Mail::Code(mail) => Some(mail.code.expose_secret().expose_secret().to_owned()),
                Mail::Notice(_) => None,
            },
            notice: match mail {
                Mail::Code(_) => None,
                Mail::Notice(mail) => Some(mail.notice),
            },
        });
        match inner.fault {
            Some(MailFault::Unknown) => Err(Undelivered::Unknown(MailFailed)),
            _ => Ok(()),
        }
    }
}
