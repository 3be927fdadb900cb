//! Notices that are owed are sent without a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portal::ForTests;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::people::{User, admin};
use crate::wire::OnDisk;

/// Takes one mail: its recipient, and the lines of its text.
async fn take(stream: TcpStream) -> Option<(String, String)> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut to, mut text, mut in_data) = (String::new(), String::new(), false);
    write.write_all(b"220 ready\r\n").await.ok()?;
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match (in_data, line.get(..4).unwrap_or(&line)) {
            (true, ".") => {
                write.write_all(b"250 taken\r\n").await.ok()?;
                return Some((to, text));
            }
            (true, _) => {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            (false, "RCPT") => {
                to = line;
                "250 ok\r\n"
            }
            (false, "DATA") => {
                in_data = true;
                "354 go on\r\n"
            }
            (false, _) => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await.ok()?;
    }
    None
}

async fn mail_server(listener: TcpListener, taken: UnboundedSender<(String, String)>) {
    while let Ok((stream, _)) = listener.accept().await {
        if let Some(mail) = take(stream).await {
            let _ = taken.send(mail);
        }
    }
}

/// Resets the administrator where no mail server answers, lets it come back, and returns the mails that arrive in a while.
/// Nothing is requested meanwhile.
async fn mails_without_a_request(notices_every: Duration, patience: Duration) -> Vec<(String, String)> {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let for_tests = ForTests::default();
    let clock = Arc::clone(&for_tests.clock_ahead);
    let settings = |config: &mut portal::Config| (config.notices_every, config.for_tests) = (notices_every, for_tests);
    let mut portal = portal.without_mail_and(settings).await;
    let done = admin.post(&portal, "/admin/users/1/reset", "").await;
    assert!(done.body.contains("could not be delivered"), "{}", done.body);
    // A notice is left to its request for a minute. Then it is tried while no mail server answers.
    clock.fetch_add(61, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (sender, mut taken) = unbounded_channel();
    let server = tokio::spawn(mail_server(portal.listen_for_mail(), sender));
    clock.fetch_add(61, Ordering::Relaxed);
    let mut mails = Vec::new();
    if let Ok(Some(first)) = tokio::time::timeout(patience, taken.recv()).await {
        mails.push(first);
        // It is sent once: what would come again comes within some intervals, and after some minutes of the engine's.
        clock.fetch_add(10 * 60, Ordering::Relaxed);
        if let Ok(Some(next)) = tokio::time::timeout(Duration::from_millis(500), taken.recv()).await {
            mails.push(next);
        }
    }
    server.abort();
    portal.stop().await;
    mails
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owed_notice_arrives_when_the_mail_server_is_back() {
    let mails = mails_without_a_request(Duration::from_millis(50), Duration::from_secs(60)).await;
    let [(to, text)] = &mails[..] else { panic!("{mails:?}") };
    assert!(to.contains("admin@larkfield.example") && text.contains("removed every device"), "{to} {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_no_notice_arrives_where_the_interval_is_long() {
    let mails = mails_without_a_request(Duration::from_secs(60 * 60), Duration::from_secs(3)).await;
    assert!(mails.is_empty(), "{mails:?}");
}
