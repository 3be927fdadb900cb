//! What can be imported: its bounds, and what Debug shows of it.

use factorgate::migrate::{Import, ImportedDevice, InvalidImport, InvalidLegacyRecoveryCode, LegacyRecoveryCode};
use factorgate::otp::{Secret, Totp};

fn device(byte: u8) -> ImportedDevice {
    ImportedDevice::new(Secret::from_legacy_bytes(&[byte; 10]).unwrap(), Totp::default())
}

fn code(at: usize) -> LegacyRecoveryCode {
    LegacyRecoveryCode::parse(&format!("code-{at:04}")).unwrap()
}

#[test]
fn devices_are_bounded_and_no_two_have_one_secret() {
    assert_eq!(Import::new(device(1)).with_device(device(1)).err(), Some(InvalidImport::SameSecret));
    let five = (2..=5).try_fold(Import::new(device(1)), |import, byte| import.with_device(device(byte))).unwrap();
    assert_eq!(five.with_device(device(6)).err(), Some(InvalidImport::TooManyDevices));
}

#[test]
fn recovery_codes_are_bounded_whether_plain_or_hashed() {
    let add = |import: Import, at: usize| match at % 2 {
        0 => import.with_recovery_code(code(at)),
        _ => import.with_hashed_recovery_code("$2a$04$x"),
    };
    let full = (0..Import::MAX_RECOVERY_CODES).try_fold(Import::new(device(1)), add).unwrap();
    assert_eq!(full.with_recovery_code(code(0)).err(), Some(InvalidImport::TooManyRecoveryCodes));
    let full = (0..Import::MAX_RECOVERY_CODES).try_fold(Import::new(device(1)), add).unwrap();
    assert_eq!(full.with_hashed_recovery_code("x").err(), Some(InvalidImport::TooManyRecoveryCodes));
    for hash in ["", "a b", "a\n", "ä", &"a".repeat(161)] {
        let refused = Import::new(device(1)).with_hashed_recovery_code(hash).err();
        assert_eq!(refused, Some(InvalidImport::Hash), "{hash}");
    }
    assert!(Import::new(device(1)).with_hashed_recovery_code(&"a".repeat(160)).is_ok());
}

#[test]
fn a_code_is_trimmed_and_bounded() {
    use InvalidLegacyRecoveryCode::*;
    assert_eq!(LegacyRecoveryCode::parse("\t abc-DEF \n").unwrap().expose_secret(), "abc-DEF");
    for (text, why) in [("", TooShort), ("  12345  ", TooShort), ("123\u{7}456", ControlCharacter)] {
        assert_eq!(LegacyRecoveryCode::parse(text).err(), Some(why), "{text:?}");
    }
    assert_eq!(LegacyRecoveryCode::parse(&"a".repeat(65)).err(), Some(TooLong));
    assert!(LegacyRecoveryCode::parse(&"a".repeat(64)).is_ok());
}

#[test]
fn debug_and_errors_show_nothing() {
    let import = Import::new(device(1)).with_recovery_code(code(1)).unwrap();
    let import = import.with_hashed_recovery_code("$2a$04$x").unwrap();
    let shown = format!("{import:?} {:?} {:?}", code(1), device(1));
    assert!(!["code-0001", "$2a$"].iter().any(|secret| shown.contains(secret)), "{shown}");
    assert!(shown.contains("Import(1 devices, 2 recovery codes)") && shown.contains("Secret(10 bytes)"), "{shown}");
    let why = LegacyRecoveryCode::parse("tiny").unwrap_err().to_string();
    assert!(!why.contains("tiny"), "{why}");
}
