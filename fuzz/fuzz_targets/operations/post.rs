//! A mailer that hands over what has arrived since it was asked last, with the faults of an outbox.

use std::sync::{Arc, Mutex};

use factorgate::EmailAddress;
use factorgate::mail::{Mail, Mailer, Undelivered};
use factorgate::testing::{MailFailed, MailFault};

/// What has arrived.
pub enum Letter {
    Code(String),
    Notice(&'static str),
}

#[derive(Clone, Default)]
pub struct Post(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    fault: Option<MailFault>,
    arrived: Vec<(EmailAddress, Letter)>,
}

impl Post {
    pub fn set_fault(&self, fault: Option<MailFault>) {
        self.0.lock().unwrap().fault = fault;
    }

    pub fn take(&self) -> Vec<(EmailAddress, Letter)> {
        std::mem::take(&mut self.0.lock().unwrap().arrived)
    }
}

impl Mailer for Post {
    type Error = MailFailed;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<MailFailed>> {
        let Inner { fault, arrived } = &mut *self.0.lock().unwrap();
        if *fault == Some(MailFault::Refused) {
            return Err(Undelivered::Refused(MailFailed));
        }
        assert!(!mail.subject().is_empty() && !mail.text().expose_secret().is_empty());
        let letter = match &mail {
            Mail::Code(mail) => Letter::Code(mail.code.expose_secret().expose_secret().to_owned()),
            Mail::Notice(mail) => Letter::Notice(mail.notice.name()),
            other => panic!("{other:?}"),
        };
        arrived.push((mail.to().clone(), letter));
        match fault {
            Some(MailFault::Unknown) => Err(Undelivered::Unknown(MailFailed)),
            _ => Ok(()),
        }
    }
}
