//! Recovery codes as they are typed.

use factorgate::recovery::{InvalidRecoveryCode, RecoveryCode};

#[test]
fn g06_one_code_has_one_form_however_it_is_typed() {
    let shown = "0123-4567-89AB-CDEF";
    for typed in [
        shown,
        "0123456789abcdef",
        "0l23 4567 89ab cdef",
        "oI23-4567 89aB-CdEf",
        " 0123 - 4567 - 89AB - CDEF ",
        "--0123--4567--89AB--CDEF--",
    ] {
        let code = RecoveryCode::parse(typed).unwrap();
        assert_eq!(code.expose_secret().expose_secret(), shown, "{typed}");
    }
}

#[test]
fn g06_no_prefix_and_nothing_longer_is_a_code() {
    use InvalidRecoveryCode::*;
    let shown = "0123-4567-89AB-CDEF";
    for len in 0..shown.len() {
        assert_eq!(RecoveryCode::parse(&shown[..len]).err(), Some(TooFewCharacters), "{len}");
    }
    assert_eq!(RecoveryCode::parse("0123-4567-89AB-CDEF-0").err(), Some(TooManyCharacters));
    assert_eq!(RecoveryCode::parse(&"0".repeat(65)).err(), Some(TooLong));
    assert_eq!(RecoveryCode::parse(&"0".repeat(1 << 20)).err(), Some(TooLong));
    assert!(RecoveryCode::parse(&format!("{:64}", shown)).is_ok());
}

#[test]
fn anything_else_is_refused_with_its_place() {
    for (typed, position) in [
        ("U123-4567-89AB-CDEF", 0),
        ("0123–4567-89AB-CDEF", 4),
        ("0123-4567-89AB-CDE*", 18),
        ("0123-4567-89AB-CDEF\n", 19),
        ("０123-4567-89AB-CDEF", 0),
        ("0123-4567-89ÄB-CDEF", 12),
    ] {
        let why = RecoveryCode::parse(typed).err();
        assert_eq!(why, Some(InvalidRecoveryCode::Character { position }), "{typed}");
    }
}
