//! The port to the host's mail system, and the mails, ready made.

mod notice;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::error::Error;
use core::future::Future;
use core::time::Duration;

use crate::code::Code;
use crate::secret::SecretText;
use crate::store::{AnyError, Erased, erased};
use crate::user::EmailAddress;

pub use self::notice::{Notice, NoticeMail};

/// A mail to be sent.
///
/// [`Mail::to`], [`Mail::subject`], [`Mail::text`] and [`Mail::html`] are ready made, so that a host only
/// transports them. A host that renders its own matches on the kind.
///
/// ```
/// # fn log(mail: &factorgate::mail::Mail<'_>) {
/// use factorgate::mail::Mail;
///
/// match mail {
///     Mail::Code(code) => println!("a code that expires in {} s", code.valid_for.as_secs()),
///     Mail::Notice(notice) => println!("a notice: {}", notice.notice.name()),
///     _ => println!("{}", mail.subject()),
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Mail<'a> {
    /// A code that the user asked for.
    Code(CodeMail<'a>),
    /// Word of a change.
    Notice(NoticeMail<'a>),
}

/// A code, and how long it is valid.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CodeMail<'a> {
    /// Where it is sent.
    pub to: &'a EmailAddress,
    /// The code itself.
    pub code: &'a Code,
    /// How long it is valid: until the earlier of the code's end and the flow's.
    pub valid_for: Duration,
    /// The name of the product, as the issuer of the engine.
    pub product: &'a str,
}

impl<'a> Mail<'a> {
    pub(crate) fn code(to: &'a EmailAddress, code: &'a Code, valid_for: Duration, product: &'a str) -> Self {
        Self::Code(CodeMail { to, code, valid_for, product })
    }

    pub(crate) fn notice(mail: NoticeMail<'a>) -> Self {
        Self::Notice(mail)
    }

    /// Where it goes: the address on record, and no other.
    #[must_use]
    pub fn to(&self) -> &'a EmailAddress {
        match self {
            Self::Code(mail) => mail.to,
            Self::Notice(mail) => mail.to,
        }
    }

    /// The subject. It never holds the code, which would show on a locked screen.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Code(mail) => format!("Your {} code", mail.product),
            Self::Notice(mail) => mail.subject(),
        }
    }

    /// The body as plain text.
    #[must_use]
    pub fn text(&self) -> SecretText {
        SecretText::new(match self {
            Self::Code(mail) => format!(
                "Your {product} code is {}. It expires in {} and can be used once.\n\n\
                 Enter it only on the {product} sign-in page. Never share it with anyone. If you didn't request it, \
                 someone knows your password: change it.\n",
                mail.code.expose_secret().expose_secret(),
                minutes(mail.valid_for),
                product = mail.product,
            ),
            Self::Notice(mail) => {
                let [what, advice] = mail.sentences();
                format!("{what}\n\n{advice}\n")
            }
        })
    }

    /// The body as HTML, without anything that is loaded from elsewhere.
    #[must_use]
    pub fn html(&self) -> SecretText {
        SecretText::new(match self {
            Self::Code(mail) => format!(
                "<p>Your {product} code is</p>\n\
                 <p style=\"font-size:28px;letter-spacing:4px;font-family:monospace\">{}</p>\n\
                 <p>It expires in {} and can be used once.</p>\n\
                 <p>Enter it only on the {product} sign-in page. Never share it with anyone. If you didn't request \
                 it, someone knows your password: change it.</p>\n",
                mail.code.expose_secret().expose_secret(),
                minutes(mail.valid_for),
                product = escaped(mail.product),
            ),
            Self::Notice(mail) => {
                let [what, advice] = mail.sentences();
                format!("<p>{}</p>\n<p>{}</p>\n", escaped(&what), escaped(&advice))
            }
        })
    }
}

fn minutes(duration: Duration) -> String {
    match duration.as_secs() / 60 {
        0 => format!("{} seconds", duration.as_secs()),
        1 => "1 minute".into(),
        minutes => format!("{minutes} minutes"),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Why a mail was not accepted: a mail has three outcomes, and the third is that nobody knows.
///
/// ```
/// use factorgate::mail::Undelivered;
///
/// /// What an SMTP client knows of a mail that it could not send.
/// fn verdict(reply: Result<u16, std::io::Error>) -> Result<(), Undelivered<factorgate::store::AnyError>> {
///     match reply {
///         Ok(200..300) => Ok(()),
///         Ok(code) => Err(Undelivered::refused(format!("the server answered {code}"))),
///         Err(lost) => Err(Undelivered::unknown(lost)), // after DATA nobody knows
///     }
/// }
/// assert!(verdict(Ok(250)).is_ok() && verdict(Ok(550)).is_err());
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Undelivered<E> {
    /// The mail was not taken, and will not arrive.
    #[error("the mail was refused")]
    Refused(#[source] E),
    /// The line dropped or the time ran out after the mail was handed over: it may arrive.
    #[error("the fate of the mail is unknown")]
    Unknown(#[source] E),
}

impl Undelivered<AnyError> {
    /// The mail was refused, for a mailer whose error type is [`AnyError`].
    pub fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused(AnyError::new(error))
    }

    /// It is unknown whether the mail was accepted, for a mailer whose error type is [`AnyError`].
    pub fn unknown(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unknown(AnyError::new(error))
    }
}

/// Who transports the mails.
///
/// The engine sends a mail after it has stored what the mail reports, never before. If no connection could be made, return
/// [`Undelivered::Refused`]: nothing has left. If the connection was lost after the mail was passed on, return
/// [`Undelivered::Unknown`]. A mailer bounds its own calls in time: the library has no timer, and some mail libraries bound
/// only the connect.
///
/// ```
/// use factorgate::Mailer;
/// use factorgate::mail::{Mail, Undelivered};
/// use factorgate::store::AnyError;
///
/// struct Smtp;
///
/// impl Mailer for Smtp {
///     type Error = AnyError;
///
///     async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<AnyError>> {
///         let (to, subject) = (mail.to().as_str(), mail.subject());
///         let (text, html) = (mail.text(), mail.html());
///         deliver(to, &subject, text.expose_secret(), html.expose_secret()).await.map_err(Undelivered::refused)
///     }
/// }
/// # async fn deliver(_: &str, _: &str, _: &str, _: &str) -> Result<(), std::io::Error> { Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mailer",
    note = "implement `factorgate::Mailer`, or wrap a blocking mailer: `factorgate::blocking::Ready(mailer)`"
)]
pub trait Mailer: Send + Sync {
    /// Why the mail system did not take a mail.
    type Error: Error + Send + Sync + 'static;

    /// Hands `mail` over to the mail system. `Ok` means that it was accepted for delivery.
    fn send(&self, mail: Mail<'_>) -> impl Future<Output = Result<(), Undelivered<Self::Error>>> + Send;
}

macro_rules! forward_mailer {
    ($($pointer:ty),*) => {$(
        impl<M: Mailer> Mailer for $pointer {
            type Error = M::Error;

            fn send(&self, mail: Mail<'_>) -> impl Future<Output = Result<(), Undelivered<Self::Error>>> + Send {
                M::send(self, mail)
            }
        }
    )*};
}

forward_mailer!(&M, Arc<M>);

erased! {
    /// A mailer whose type is chosen at run time.
    AnyMailer, Mailer, ErasedMailer
}

impl Mailer for AnyMailer {
    type Error = AnyError;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<AnyError>> {
        // The inner result is the verdict; the erased future itself cannot fail.
        match self.0.send(mail).await {
            Ok(verdict) => verdict,
            Err(error) => Err(Undelivered::Unknown(error)),
        }
    }
}

trait ErasedMailer: Send + Sync {
    fn send<'a>(&'a self, mail: Mail<'a>) -> Erased<'a, Result<(), Undelivered<AnyError>>>;
}

impl<M: Mailer> ErasedMailer for M {
    fn send<'a>(&'a self, mail: Mail<'a>) -> Erased<'a, Result<(), Undelivered<AnyError>>> {
        Box::pin(async move {
            Ok(Mailer::send(self, mail).await.map_err(|undelivered| match undelivered {
                Undelivered::Refused(error) => Undelivered::Refused(AnyError::new(error)),
                Undelivered::Unknown(error) => Undelivered::Unknown(AnyError::new(error)),
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Digits;
    use crate::policy::ExternalFactor;

    #[test]
    fn a_code_mail_says_what_a_user_needs_and_its_subject_holds_no_code() {
        let (to, code) = (EmailAddress::new("alice@example.com").unwrap(), Code::from_value(42, Digits::EIGHT));
        let mail = Mail::code(&to, &code, Duration::from_secs(600), "R&D <Portal>");
        assert_eq!(mail.to(), &to);
        assert_eq!(mail.subject(), "Your R&D <Portal> code");
        assert!(
            mail.text()
                .expose_secret()
                .starts_with("Your R&D <Portal> code is 00000042. It expires in 10 minutes and can be used once.")
        );
        let html = mail.html();
        assert!(html.expose_secret().contains("00000042") && html.expose_secret().contains("R&amp;D &lt;Portal&gt;"));
        assert!(!format!("{mail:?}").contains("42"), "{mail:?}");
    }

    #[test]
    fn every_notice_says_what_happened_and_what_to_do() {
        let factor = ExternalFactor::phishing_resistant("passkey").unwrap();
        let (to, lasts) = (EmailAddress::new("alice@example.com").unwrap(), Duration::from_secs(120));
        for (kind, subject, words) in [
            (Notice::AddressChangePermitted, "e-mail address of", "go to the new address"),
            (Notice::BrowserTokenReused, "may have been copied", "is no longer trusted"),
            (Notice::BrowserTrusted, "A browser is trusted by", "No code is asked for in it"),
            (Notice::DeviceAdded, "A device was added to", "was added"),
            (Notice::DeviceRemoved, "A device was removed from", "was removed"),
            (Notice::DeviceReplaced, "was replaced", "has taken the place of"),
            (Notice::FactorAdded { factor }, "A factor was added to", "“passkey” was added to"),
            (Notice::FactorRemoved { factor }, "A factor was removed from", "“passkey” was removed"),
            (Notice::FactorsReset, "was reset", "with the ticket"),
            (Notice::Locked { lasts }, "Too many wrong codes for", "for 2 minutes, not even a right one"),
            (Notice::NewBrowsersBlocked, "New browsers are blocked from", "or with a recovery code"),
            (Notice::RecoveryCodeUsed { left: 2 }, "A recovery code of", "2 are left."),
            (Notice::RecoveryCodeUsed { left: 1 }, "was used", "One is left."),
            (Notice::RecoveryCodeUsed { left: 0 }, "was used", "None is left."),
            (Notice::RecoveryCodesRenewed, "has new recovery codes", "The old ones no longer work"),
            (Notice::Unblocked, "New browsers can sign in to", "its password was changed, or"),
        ] {
            let mail =
                Mail::notice(NoticeMail { to: &to, notice: kind, name: None, replaced: None, product: "Portal" });
            assert!(mail.subject().contains(subject) && mail.subject().contains("Portal account"), "{kind:?}");
            let text = mail.text();
            assert!(text.expose_secret().contains(words), "{kind:?}: {}", text.expose_secret());
            assert!(text.expose_secret().ends_with("call the administrators of Portal at once.\n"));
        }
    }

    #[test]
    fn a_notice_names_what_it_tells_of_and_escapes_it() {
        let to = EmailAddress::new("alice@example.com").unwrap();
        let notice = |notice, name| {
            Mail::notice(NoticeMail { to: &to, notice, name, replaced: Some("Old & lost"), product: "Portal" })
        };
        let mail = notice(Notice::DeviceAdded, Some("<b>Pixel</b>"));
        assert!(mail.text().expose_secret().contains("“<b>Pixel</b>” was added"));
        assert!(mail.html().expose_secret().contains("“&lt;b&gt;Pixel&lt;/b&gt;” was added"));
        let mail = notice(Notice::BrowserTrusted, Some("Fire & Fox"));
        assert!(mail.html().expose_secret().contains("“Fire &amp; Fox” was made a trusted one"));
        let mail = notice(Notice::DeviceRemoved, Some("Pixel"));
        assert_eq!(mail.subject(), "A device was removed from your Portal account");
        let mail = notice(Notice::DeviceReplaced, Some("Pixel"));
        assert!(mail.html().expose_secret().contains("“Pixel” has taken the place of “Old &amp; lost”"));
    }
}
