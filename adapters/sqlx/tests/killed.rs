//! A process that is killed between a commit and its mail: the owner is told all the same.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::mail::{Mail, Mailer, Undelivered};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{App, FixedClock, Outbox};
use factorgate::{Action, Contact, EmailAddress, Mfa, Outcome, PrimaryVerified, UserId, UserRow};
use factorgate_sqlx::SqliteStore;

const NOW: u64 = 1_900_000_000;
/// Names the database for the child; the parent sets it.
const DATABASE: &str = "FACTORGATE_KILLED_DATABASE";

/// A mail server that tells the parent it was asked, and never answers.
struct Hanging;

impl Mailer for Hanging {
    type Error = std::convert::Infallible;

    async fn send(&self, _: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
        println!("the mail server was asked");
        std::future::pending().await
    }
}

fn engine<M: Mailer>(store: SqliteStore, mailer: M, clock: &FixedClock) -> Mfa<SqliteStore, M> {
    let keys = ServerKeys::new(ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap());
    Mfa::builder(store, mailer, keys, Issuer::new("ACME").unwrap()).clock(clock.clone()).build().unwrap()
}

async fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

/// The child: it registers a device, and hangs in the mail of it.
#[tokio::test]
#[ignore = "the child process of the other test"]
async fn child_hangs_in_the_mail() {
    let file = std::env::var_os(DATABASE).expect("the parent names a database");
    let clock = FixedClock::at(NOW);
    let mfa = engine(open(Path::new(&file)).await, Hanging, &clock);
    let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let row = UserRow::new(UserId::new("alice").unwrap(), "1", contact);
    let outcome = mfa.begin_login(PrimaryVerified::assertion(row), &policy).await.unwrap();
    let Outcome::Enroll(enroll) = outcome else { panic!("{outcome:?}") };
    let confirm = Action::ConfirmApp { code: App::scan(enroll.key_uri(), &clock).code().into(), name: None };
    let _ = mfa.submit(enroll.challenge().flow(), &policy, confirm).await;
    unreachable!("the mail server does not answer");
}

/// A process that is killed (SIGKILL) after the commit of a new device and before its mail leaves a notice that is owed, and
/// the next sweep of another process delivers it. Ten processes are killed.
#[tokio::test]
async fn notice_of_a_killed_process_is_delivered_by_the_sweep() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mfa.db");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_hangs_in_the_mail", "--nocapture"])
            .env(DATABASE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        let asked = std::io::BufRead::lines(output).map_while(Result::ok).any(|line| line.contains("was asked"));
        assert!(asked, "the child ended before it had sent a mail");
        // On Unix this is SIGKILL: nothing of the child runs any more.
        child.kill().unwrap();
        child.wait().unwrap();

        let (clock, outbox) = (FixedClock::at(NOW), Outbox::new());
        let mfa = engine(open(&file).await, outbox.clone(), &clock);
        let (by, alice) = (Administrator::host("sweep").unwrap(), UserId::new("alice").unwrap());
        let status = mfa.admin(&by).status(&alice).await.unwrap();
        assert_eq!(
            (status.devices.len(), status.owed_notices),
            (1, 1),
            "the device is registered, and its notice owed"
        );
        clock.advance(Duration::from_secs(60));
        assert_eq!(mfa.maintenance().send_owed_notices(&alice).await.unwrap(), 1);
        assert_eq!(outbox.notices(), ["device_added"]);
        let status = mfa.admin(&by).status(&alice).await.unwrap();
        assert_eq!(status.owed_notices, 0);
        let names: Vec<_> = status.recent.iter().rev().map(|event| event.kind.name()).collect();
        assert_eq!(names, ["login_begun", "enrollment_begun", "device_added", "login_completed"]);
    }
}
