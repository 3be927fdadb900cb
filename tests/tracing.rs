//! The feature `tracing` emits every event, and no secret: `cargo test --features tracing --test tracing`.
#![cfg(feature = "tracing")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::Kit;
use factorgate::{Action, Contact, EmailAddress, Outcome, PrimaryVerified, UserId, UserRow};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

/// Keeps a line for each event of the library.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "factorgate"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

#[test]
fn every_event_is_emitted_without_a_secret() {
    let (lines, kit) = (Lines::default(), Kit::new());
    let mfa = kit.mfa();
    let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(lines.clone(), || {
        runtime.block_on(async {
            let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
            let row = UserRow::new(UserId::new("4711").unwrap(), "password 1", contact);
            let login = mfa.begin_login(PrimaryVerified::assertion(row), &policy).await.unwrap();
            let code = kit.outbox.last_code().unwrap().into();
            let login = mfa.submit(login.flow().unwrap(), &policy, Action::EmailCode { code }).await.unwrap();
            assert!(matches!(login, Outcome::Done(_)), "{login:?}");
        });
    });
    let (lines, events, code) = (lines.0.lock().unwrap(), kit.events(), kit.outbox.last_code().unwrap());
    assert_eq!((lines.len(), events.len()), (4, 4), "{lines:?}");
    for (line, event) in lines.iter().zip(&events) {
        assert!(line.contains("user=4711") && line.contains(&format!("kind={:?}", event.kind.name())), "{line}");
        assert!(line.contains(&format!("seq={}", event.seq.unwrap())) && line.contains(&format!("line={event}")));
        assert!(!line.contains(&code) && !line.contains("alice@"), "{line}");
    }
}
