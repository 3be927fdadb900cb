//! A recovery code that is typed: refused, or one code in one form, however it is written.
#![no_main]

use factorgate::recovery::RecoveryCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(code) = RecoveryCode::parse(text) else { return };
    let shown = code.expose_secret();
    let shown = shown.expose_secret();
    assert_eq!(text.chars().filter(|c| !matches!(c, ' ' | '-')).count(), 16);
    for again in [shown.to_owned(), shown.to_lowercase(), shown.replace('-', ""), shown.replace('0', "O")] {
        let again = RecoveryCode::parse(&again).expect("what is shown can be typed").expose_secret();
        assert_eq!(again.expose_secret(), shown);
    }
    assert!(RecoveryCode::parse(&shown[1..]).is_err());
});
