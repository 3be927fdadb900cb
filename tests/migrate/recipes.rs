//! The recipes of `factorgate::migrate`, on rows of those systems. `tests/data/migrate` says where they come from.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use factorgate::Timestamp;
use factorgate::device::DeviceName;
use factorgate::otp::{Algorithm, Digits};
use factorgate::recovery::RecoveryCode;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::*;

fn rows(name: &str) -> Value {
    let path = format!("{}/tests/data/migrate/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The code at a time, as the rows have it.
fn code(row: &Value, at: u64) -> &str {
    let codes = row["codes"].as_array().unwrap();
    codes.iter().find(|code| code["at"] == at).unwrap()["code"].as_str().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What `oathtool` computes, which is by others again.
fn oathtool(key: &[u8], algorithm: &str, digits: u64, at: u64) -> String {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let (totp, digits, now) = (format!("--totp={algorithm}"), format!("--digits={digits}"), format!("--now=@{at}"));
    let output = Command::new("oathtool").args([&totp, &digits, &now, &key]).output();
    let output = output.unwrap_or_else(|why| panic!("oathtool does not start ({why}); install the package oathtool"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn from_django(user: &Value) -> Import {
    let confirmed = user["otp_totp_totpdevice"].as_array().unwrap().iter().filter(|row| row["confirmed"] == true);
    let mut devices = confirmed.map(|row| {
        let totp = Totp::builder()
            .period_secs(row["step"].as_u64().unwrap())
            .t0(Timestamp::from_secs(row["t0"].as_u64().unwrap()))
            .digits(Digits::new(row["digits"].as_u64().unwrap() as u8).unwrap())
            .build()
            .unwrap();
        let secret = Secret::from_legacy_bytes(&hex(row["key"].as_str().unwrap())).unwrap();
        let device = ImportedDevice::new(secret, totp).named(DeviceName::new(row["name"].as_str().unwrap()).unwrap());
        match u64::try_from(row["last_t"].as_i64().unwrap()) {
            Ok(step) => device.last_step(TimeStep::new(step)),
            Err(_) => device,
        }
    });
    let first = Import::new(devices.next().unwrap());
    let import = devices.try_fold(first, Import::with_device).unwrap();
    let tokens = user["otp_static_statictoken"].as_array().unwrap().iter().map(|token| token.as_str().unwrap());
    tokens.fold(import, |import, token| import.with_recovery_code(legacy(token)).unwrap())
}

#[tokio::test]
async fn django_otp_rows_are_imported() {
    let rows = rows("django.json");
    assert_eq!(rows["now"], NOW);
    let (row, host) = (&rows["users"]["alice"], Host::new());
    host.imported(&from_django(row)).await;
    let device = host.status().await.devices.remove(0);
    assert_eq!((device.name.as_str(), device.added_at), ("default", Timestamp::from_secs(NOW)));
    assert_eq!(host.left().await, 2);
    // That code was accepted there, of a clock that is a step ahead: `last_t` has it, and `drift` is left behind.
    assert_eq!(row["otp_totp_totpdevice"][0]["drift"], 1);
    assert!(!passed(&host.log_in(code(row, NOW)).await));
    assert!(!passed(&host.log_in(code(row, NOW + 30)).await));
    host.wait(60);
    assert_eq!(oathtool(KEY, "SHA1", 6, NOW + 60), code(row, NOW + 60));
    assert!(passed(&host.log_in(code(row, NOW + 60)).await));
    for token in ["6pjh5sm3", "zmb4qv2x"] {
        assert!(passed(&host.recover(token).await));
        assert!(!passed(&host.recover(token).await), "once");
    }
    assert!(host.checks() == 0 && host.left().await == 0);
}

#[tokio::test]
async fn unconfirmed_django_device_is_left_out() {
    let rows = rows("django.json");
    let (row, host) = (&rows["users"]["bob"], Host::new());
    assert_eq!(row["otp_totp_totpdevice"].as_array().unwrap().len(), 2);
    host.imported(&from_django(row)).await;
    assert_eq!(host.status().await.devices.len(), 1);
    // No code was ever accepted there: who knows which were seen? None up to now is good.
    assert!(!passed(&host.log_in(code(row, NOW)).await));
    host.wait(120);
    assert!(passed(&host.log_in(code(row, NOW + 120)).await));
}

fn from_devise(row: &Value) -> Import {
    let secret = Secret::from_legacy_base32(row["otp_secret"].as_str().unwrap()).unwrap();
    let step = TimeStep::new(row["consumed_timestep"].as_u64().unwrap() + 1);
    let import = Import::new(ImportedDevice::new(secret, Totp::default()).last_step(step));
    let hashes = row["otp_backup_codes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap());
    hashes.fold(import, |import, hash| import.with_hashed_recovery_code(hash).unwrap())
}

#[tokio::test]
async fn devise_two_factor_rows_are_imported_with_bcrypt_hashes() {
    let row = rows("devise.json");
    let pepper = row["pepper"].as_str().unwrap().to_owned();
    let bcrypt = move |typed: &str, hash: &str| bcrypt::verify(format!("{typed}{pepper}"), hash).unwrap_or(false);
    let host = Host::on(MemoryStore::new(), bcrypt);
    host.imported(&from_devise(&row)).await;
    assert!(!passed(&host.log_in(code(&row, NOW)).await), "it was used there");
    assert!(!passed(&host.log_in(code(&row, NOW + 30)).await), "and perhaps this one was");
    host.wait(60);
    let key = Secret::from_legacy_base32(row["otp_secret"].as_str().unwrap()).unwrap();
    assert_eq!(oathtool(key.expose_secret(), "SHA1", 6, NOW + 60), code(&row, NOW + 60));
    assert!(passed(&host.log_in(code(&row, NOW + 60)).await));
    assert!(!passed(&host.recover("3f0a9c1be2d47587").await), "nobody's");
    assert_eq!((host.checks(), host.left().await), (3, 3));
    for (used, plain) in (1..).zip(row["plain"].as_array().unwrap()) {
        let plain = plain.as_str().unwrap();
        assert!(RecoveryCode::parse(plain).is_ok(), "the two kinds cannot be told apart by their looks");
        assert!(passed(&host.recover(plain).await));
        assert_eq!(host.left().await, 3 - used);
    }
}

fn from_keycloak(row: &Value) -> ImportedDevice {
    let json = |name: &str| -> Value { serde_json::from_str(row[name].as_str().unwrap()).unwrap() };
    let (secret, data) = (json("secret_data"), json("credential_data"));
    let value = secret["value"].as_str().unwrap();
    let secret = match data["secretEncoding"].as_str() {
        Some(encoding) => {
            assert_eq!(encoding, "BASE32");
            Secret::from_legacy_base32(value).unwrap()
        }
        None => Secret::from_legacy_bytes(value.as_bytes()).unwrap(),
    };
    let algorithm = match data["algorithm"].as_str().unwrap() {
        "HmacSHA1" => Algorithm::Sha1,
        "HmacSHA256" => Algorithm::Sha256,
        other => panic!("{other}"),
    };
    let digits = Digits::new(data["digits"].as_u64().unwrap() as u8).unwrap();
    let period = data["period"].as_u64().unwrap();
    let totp = Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build().unwrap();
    ImportedDevice::new(secret, totp)
}

fn sha512(typed: &str, hash: &str) -> bool {
    STANDARD.encode(Sha512::digest(typed.replace('-', "").as_bytes())) == hash
}

#[tokio::test]
async fn keycloak_rows_of_both_encodings_are_imported_with_their_hashes() {
    let rows = rows("keycloak.json");
    for (name, key, algorithm, digits) in [
        ("characters", &b"ovvGdzuH4E3gM5qwiVvS"[..], "SHA1", 6),
        ("base32", b"12345678901234567890123456789012", "SHA256", 8),
    ] {
        let (row, host) = (&rows[name], Host::on(MemoryStore::new(), sha512));
        let recovery: Value = serde_json::from_str(rows["recovery"]["secret_data"].as_str().unwrap()).unwrap();
        let hashes =
            recovery["codes"].as_array().unwrap().iter().map(|code| code["encodedHashedValue"].as_str().unwrap());
        let import = Import::new(from_keycloak(row));
        host.imported(&hashes.fold(import, |import, hash| import.with_hashed_recovery_code(hash).unwrap())).await;
        assert!(!passed(&host.log_in(code(row, NOW)).await), "{name}: it keeps no last step");
        host.wait(30);
        assert_eq!(oathtool(key, algorithm, digits, NOW + 30), code(row, NOW + 30), "{name}");
        assert!(passed(&host.log_in(code(row, NOW + 30)).await), "{name}");
        // In any order, and with the hyphens with which they were shown.
        for typed in ["7M3N-PLDO-0S9G", "Q0RTM4UJ5KSC"] {
            assert!(passed(&host.recover(typed).await), "{name}: {typed}");
            assert!(!passed(&host.recover(typed).await), "{name}: {typed}");
        }
    }
}
