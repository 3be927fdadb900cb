//! Mail: to a server, or, on a development machine, into the mailbox page.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use factorgate::mail::{Mail, Mailer, Undelivered};
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor, transport::smtp};
use sqlx::SqlitePool;

use crate::app::StartError;
use crate::db;
use crate::error::Failure;

/// A mail server has this long for the whole of one mail. The transport's own timeout bounds the connect alone.
const LONGEST: Duration = Duration::from_secs(20);

/// Where mail goes.
#[derive(Clone)]
pub(crate) enum Outbox {
    Kept(SqlitePool),
    Smtp(Arc<Server>),
}

/// A mail server, and the sender it is given.
pub(crate) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    longest: Duration,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) to: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) html: &'a str,
}

/// What a mail server, or the way to it, had to say.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Cause(#[from] Box<dyn Error + Send + Sync>);

impl Outbox {
    pub(crate) fn new(db: SqlitePool, smtp_url: Option<&str>, from: &str) -> Result<Self, StartError> {
        let Some(url) = smtp_url else { return Ok(Self::Kept(db)) };
        let from = from.parse().map_err(StartError::Sender)?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(StartError::MailServer)?.build();
        Ok(Self::Smtp(Arc::new(Server { transport, from, longest: LONGEST })))
    }

    /// Whether mail is shown on the mailbox page.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    pub(crate) async fn post(&self, letter: Letter<'_>) -> Result<(), Undelivered<Cause>> {
        match self {
            Self::Kept(db) => keep(db, letter).await,
            Self::Smtp(server) => {
                let message = compose(&server.from, letter).map_err(refused)?;
                match tokio::time::timeout(server.longest, server.transport.send(message)).await {
                    Ok(answer) => answer.map(|_| ()).map_err(judged),
                    Err(elapsed) => Err(unknown(elapsed)),
                }
            }
        }
    }
}

impl Mailer for Outbox {
    type Error = Cause;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Cause>> {
        let (subject, text, html) = (mail.subject(), mail.text(), mail.html());
        let to = mail.to().as_str();
        self.post(Letter { to, subject: &subject, text: text.expose_secret(), html: html.expose_secret() }).await
    }
}

fn refused(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Undelivered<Cause> {
    Undelivered::Refused(Cause(cause.into()))
}

fn unknown(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Undelivered<Cause> {
    Undelivered::Unknown(Cause(cause.into()))
}

fn compose(from: &Mailbox, letter: Letter<'_>) -> Result<Message, Box<dyn Error + Send + Sync>> {
    Ok(Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, letter.to.parse()?))
        .subject(letter.subject)
        .multipart(MultiPart::alternative_plain_html(letter.text.to_owned(), letter.html.to_owned()))?)
}

/// Refused is only what surely was: an answer of the server, or a line that never stood. A line that dropped may
/// have dropped after the server took the mail.
fn judged(error: smtp::Error) -> Undelivered<Cause> {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let never_stood =
        matches!(io, Some(ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable));
    if error.is_permanent() || error.is_transient() || error.is_client() || error.is_tls() || never_stood {
        refused(error)
    } else {
        unknown(error)
    }
}

async fn keep(db: &SqlitePool, letter: Letter<'_>) -> Result<(), Undelivered<Cause>> {
    let now = db::now().map_err(|_| refused("there is no time to put on the mail"))?;
    sqlx::query("INSERT INTO mails (recipient, subject, body_text, body_html, sent_at) VALUES (?, ?, ?, ?, ?)")
        .bind(letter.to)
        .bind(letter.subject)
        .bind(letter.text)
        .bind(letter.html)
        .bind(now)
        .execute(db)
        .await
        .map_err(unknown)?;
    Ok(())
}

/// A mail that was kept.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) recipient: String,
    pub(crate) subject: String,
    pub(crate) body_text: String,
    pub(crate) body_html: String,
    pub(crate) sent_at: i64,
}

/// The mails that were kept, the newest first.
pub(crate) async fn kept(db: &SqlitePool) -> Result<Vec<Kept>, Failure> {
    Ok(sqlx::query_as("SELECT * FROM mails ORDER BY id DESC LIMIT 200").fetch_all(db).await?)
}

pub(crate) async fn kept_one(db: &SqlitePool, id: i64) -> Result<Option<Kept>, Failure> {
    Ok(sqlx::query_as("SELECT * FROM mails WHERE id = ?").bind(id).fetch_optional(db).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpSocket};

    #[derive(Clone, Copy)]
    enum Fault {
        None,
        Recipient(&'static str),
        DropAfterData,
        Silent,
    }

    /// How long a server may take that answers, however slow the machine is.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A mail server with a planned fault, for one mail.
    async fn server(fault: Fault) -> Outbox {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            if matches!(fault, Fault::Silent) {
                while lines.next_line().await.is_ok_and(|line| line.is_some()) {}
                return;
            }
            write.write_all(b"220 ready\r\n").await.unwrap();
            let mut in_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match (in_data, line.get(..4).unwrap_or(&line)) {
                    (true, ".") if matches!(fault, Fault::DropAfterData) => return,
                    (true, ".") => {
                        in_data = false;
                        "250 taken"
                    }
                    (true, _) => continue,
                    (false, "RCPT") => match fault {
                        Fault::Recipient(answer) => answer,
                        _ => "250 ok",
                    },
                    (false, "DATA") => {
                        in_data = true;
                        "354 go on"
                    }
                    (false, _) => "250 ok",
                };
                write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        });
        let longest = if matches!(fault, Fault::Silent) { Duration::from_millis(500) } else { PATIENCE };
        outbox(&url, longest)
    }

    fn outbox(url: &str, longest: Duration) -> Outbox {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).unwrap().build();
        let from = "a@example.com".parse().unwrap();
        Outbox::Smtp(Arc::new(Server { transport, from, longest }))
    }

    async fn send(outbox: Outbox) -> Result<(), Undelivered<Cause>> {
        outbox.post(Letter { to: "alice@example.com", subject: "s", text: "t", html: "<p>t</p>" }).await
    }

    #[tokio::test]
    async fn what_the_server_takes_is_accepted() {
        send(server(Fault::None).await).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_server_declines_is_refused() {
        for answer in ["450 later", "550 no such mailbox"] {
            let sent = send(server(Fault::Recipient(answer)).await).await;
            assert!(matches!(sent, Err(Undelivered::Refused(_))), "{answer}: {sent:?}");
        }
    }

    #[tokio::test]
    async fn no_server_is_refused() {
        // Bound, so that nobody else gets the port, and not listening.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = bound.local_addr().unwrap().port();
        let sent = send(outbox(&format!("smtp://127.0.0.1:{port}"), PATIENCE)).await;
        assert!(matches!(sent, Err(Undelivered::Refused(_))), "{sent:?}");
    }

    #[tokio::test]
    async fn a_line_that_drops_after_the_mail_leaves_it_unknown() {
        let sent = send(server(Fault::DropAfterData).await).await;
        assert!(matches!(sent, Err(Undelivered::Unknown(_))), "{sent:?}");
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let sent = send(server(Fault::Silent).await).await;
        assert!(matches!(sent, Err(Undelivered::Unknown(_))), "{sent:?}");
    }

    #[test]
    fn a_recipient_cannot_add_a_header() {
        let from = "a@example.com".parse().unwrap();
        let to = "b@example.com\r\nBcc: c@example.com";
        assert!(compose(&from, Letter { to, subject: "s", text: "t", html: "h" }).is_err());
    }
}
