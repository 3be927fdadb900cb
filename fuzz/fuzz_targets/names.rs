//! Whatever names a user, a device or a mailbox: refused, or kept as it is.
#![no_main]

use factorgate::admin::Ticket;
use factorgate::browser::BrowserName;
use factorgate::device::DeviceName;
use factorgate::keys::ServerKey;
use factorgate::migrate::LegacyRecoveryCode;
use factorgate::otpauth::{AccountName, Issuer};
use factorgate::policy::ExternalFactor;
use factorgate::{EmailAddress, UserId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(user) = UserId::new(text) {
        assert_eq!(UserId::new(user.as_str()), Ok(user));
    }
    if let Ok(email) = EmailAddress::new(text) {
        assert_eq!(EmailAddress::new(email.as_str()).as_ref(), Ok(&email));
        // No second recipient, and no second header.
        assert!(!email.as_str().contains([',', ';', '<', '>', '\r', '\n', ' ']));
        assert_eq!(AccountName::from(&email).as_str(), email.as_str());
    }
    if let Ok(device) = DeviceName::new(text) {
        assert_eq!(DeviceName::new(device.as_str()), Ok(device));
    }
    let issuer = Issuer::new(text).map(|name| name.as_str().to_owned());
    let account = AccountName::new(text).map(|name| name.as_str().to_owned());
    for name in [issuer, account].into_iter().flatten() {
        assert!(!name.contains(':') && !name.contains(char::is_control) && name.trim() == name);
    }
    if let Ok(browser) = BrowserName::new(text) {
        assert_eq!(BrowserName::new(browser.as_str()), Ok(browser));
    }
    for factor in [ExternalFactor::possession(text), ExternalFactor::phishing_resistant(text)].into_iter().flatten() {
        assert_eq!(factor.name(), text);
    }
    if let Ok(key) = ServerKey::from_hex(text) {
        assert_eq!(key.to_hex().expose_secret(), text.trim().to_ascii_lowercase());
    }
    let _ = LegacyRecoveryCode::parse(text);
    if let Ok(ticket) = Ticket::parse(text) {
        let shown = ticket.expose_secret();
        assert!(Ticket::parse(shown.expose_secret()).is_ok());
    }
});
