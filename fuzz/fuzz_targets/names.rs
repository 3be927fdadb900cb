//! Whatever names a user, a device or a mailbox: refused, or kept as it is.
#![no_main]

use factorgate::otpauth::{AccountName, Issuer};
use factorgate::{DeviceName, EmailAddress, Ticket, UserId};
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
    for name in [
        Issuer::new(text).map(|name| name.as_str().to_owned()),
        AccountName::new(text).map(|name| name.as_str().to_owned()),
    ] {
        if let Ok(name) = name {
            assert!(!name.contains(':') && !name.contains(char::is_control) && name.trim() == name);
        }
    }
    if let Ok(ticket) = Ticket::parse(text) {
        let shown = ticket.expose_secret();
        assert!(Ticket::parse(shown.expose_secret()).is_ok());
    }
});
