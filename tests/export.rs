//! Moving out, by the feature `dangerous-export`.

use std::sync::{Arc, Mutex};

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind};
use factorgate::device::DeviceName;
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, TimeStep, Totp};
use factorgate::otpauth::{AccountName, Issuer};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{Mfa, UserId};

#[tokio::test]
async fn export_returns_the_secrets_and_records_the_administrator() {
    let (store, log): (_, Arc<Mutex<Vec<Event>>>) = (MemoryStore::new(), Arc::default());
    let seen = Arc::clone(&log);
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME").unwrap())
        .clock(FixedClock::at(1_900_000_000))
        .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    let (alice, root) = (by_name("alice"), Administrator::assertion(by_name("root")));
    let admin = mfa.admin(&root);
    let device = ImportedDevice::new(Secret::from_bytes(b"12345678901234567890").unwrap(), Totp::default())
        .named(DeviceName::new("Pixel").unwrap())
        .last_step(TimeStep::new(63_333_300));
    admin.import(&alice, &Import::new(device)).await.unwrap().unwrap();
    let (record, swaps) = (store.record(&alice), store.swaps());

    let export = admin.export(&alice).await.unwrap();
    let [device] = &export.devices[..] else { panic!() };
    let uri = device.key_uri(&Issuer::new("ACME").unwrap(), &AccountName::new("alice").unwrap()).unwrap();
    assert_eq!(uri.expose_secret(), "otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME");
    assert_eq!((device.name.as_str(), device.last_step, device.disabled), ("Pixel", TimeStep::new(63_333_300), false));
    let exported = log.lock().unwrap().last().unwrap().clone();
    assert_eq!((exported.user, exported.seq), (alice.clone(), None));
    assert_eq!(exported.kind, EventKind::FactorsExported { by: by_name("root") });
    assert_eq!((store.record(&alice), store.swaps()), (record, swaps), "nothing is written");
    assert!(!format!("{export:?}").contains("GEZD"), "Debug hides the secret");
    assert!(admin.export(&by_name("nobody")).await.unwrap().devices.is_empty());
}

fn by_name(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

#[test]
fn no_other_feature_brings_the_export_with_it() {
    let manifest = std::fs::read_to_string(format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let naming: Vec<_> =
        features.lines().filter(|line| !line.starts_with('#') && line.contains("dangerous-export")).collect();
    assert_eq!(naming, ["dangerous-export = [\"std\"]"]);
}
