//! Mails: through an SMTP server, or printed on a development machine.

use std::{error::Error, io, time::Duration};

use factorgate::mail::{Mail, Mailer, Undelivered};
use factorgate::store::AnyError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor, message::Mailbox, message::MultiPart};
use tokio::time::timeout;

/// The longest time that sending one mail may take. The timeout of the transport bounds the connect only.
const LONGEST: Duration = Duration::from_secs(20);

/// Where mails go.
#[derive(Debug)]
pub(crate) enum Post {
    /// To the terminal, on a development machine.
    Printed,
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>, Mailbox),
}

impl Mailer for Post {
    type Error = AnyError;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<AnyError>> {
        let (transport, from) = match self {
            Self::Smtp(transport, from) => (transport, from.clone()),
            Self::Printed => {
                println!("\nTo: {}\n{}", mail.to().as_str(), mail.text().expose_secret());
                return Ok(());
            }
        };
        let message = compose(from, mail).map_err(Undelivered::refused)?;
        match timeout(LONGEST, transport.send(message)).await.map_err(Undelivered::unknown)? {
            Ok(_) => Ok(()),
            // The server said no, or was never reached. After any other error it may have accepted the mail.
            Err(e) if e.is_permanent() || e.is_transient() || was_never_reached(&e) => Err(Undelivered::refused(e)),
            Err(e) => Err(Undelivered::unknown(e)),
        }
    }
}

fn was_never_reached(error: &dyn Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
}

fn compose(from: Mailbox, mail: Mail<'_>) -> Result<Message, Box<dyn Error + Send + Sync>> {
    let to = Mailbox::new(None, mail.to().as_str().parse()?);
    let (text, html) = (mail.text().expose_secret().to_owned(), mail.html().expose_secret().to_owned());
    let body = MultiPart::alternative_plain_html(text, html);
    Ok(Message::builder().from(from).to(to).subject(mail.subject()).multipart(body)?)
}
