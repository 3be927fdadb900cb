//! The feature `tracing` emits every event, and no secret: `cargo test --features tracing --test tracing`.
#![cfg(feature = "tracing")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{
    Code, Contact, EmailAddress, Event, Login, Mfa, OsRandom, PrimaryVerified, ServerKey, ServerKeys, UserId,
};
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
fn h12_every_event_is_emitted_without_a_secret() {
    let (lines, outbox) = (Lines::default(), Outbox::new());
    let seen: Arc<Mutex<Vec<Event>>> = Arc::default();
    let observed = Arc::clone(&seen);
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::builder(MemoryStore::new(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
        .observer(move |event: &Event| observed.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(lines.clone(), || {
        runtime.block_on(async {
            let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
            let primary = PrimaryVerified::assertion(UserId::new("4711").unwrap());
            let Login::Challenge(asked) = mfa.begin_login(primary, contact, &policy).await.unwrap() else { panic!() };
            let code = Code::parse(&outbox.last_code().unwrap()).unwrap();
            let login = mfa.verify_email_code(asked.flow(), &code, &policy).await.unwrap();
            assert!(matches!(login, Login::Authenticated(_)));
        });
    });
    let (lines, seen) = (lines.0.lock().unwrap(), seen.lock().unwrap());
    assert_eq!((lines.len(), seen.len()), (4, 4), "{lines:?}");
    for (line, event) in lines.iter().zip(seen.iter()) {
        assert!(line.contains("user=4711") && line.contains(&format!("kind={:?}", event.kind)), "{line}");
        assert!(!line.contains(&outbox.last_code().unwrap()) && !line.contains("alice@"), "{line}");
    }
}
