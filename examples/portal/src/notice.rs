//! What the next page is to say, carried over a redirect. A browser holds a word of ours, and never a text.

use factorgate::{Event, EventKind};

macro_rules! notices {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $tone:ident, $text:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Notice { $($(#[$doc])* $variant,)* }

        impl Notice {
            pub(crate) fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The class of its look.
            pub(crate) fn tone(self) -> &'static str {
                match self { $(Self::$variant => stringify!($tone),)* }
            }
        }
    };
}

notices! {
    AccountReady = "account", good,
        "Thank you. If this address had no account, it has one now, and you can sign in. If it had one, we have sent a message there.";
    AddressChanged = "address", good,
        "Your address is changed, and your other sessions are ended. The next code that is sent there verifies it.";
    BrowserCopied = "copied", bad,
        "This browser is not trusted any more: its cookie was used somewhere else, or an answer got lost on the way. If that was not you, change your password.";
    BrowserRevoked = "revoked", good, "The browser is not trusted any more. A code is asked for there.";
    BrowsersRevoked = "revoked-all", good, "No browser is trusted any more. A code is asked for everywhere.";
    CodeSent = "sent", good, "A new code is on its way. Only the newest code is good.";
    CodesInForce = "codes", good, "Your new recovery codes are in force. The ones before are not taken any more.";
    CodesOver = "codes-over", bad, "Those recovery codes were not confirmed in time, and are void. Please make new ones.";
    DeviceLimit = "limit", bad, "You have registered as many devices as are allowed. Remove one first.";
    DeviceRemoved = "removed", good, "The device is removed, and your other sessions are ended.";
    DeviceRenamed = "renamed", good, "The device has its new name.";
    DeviceReplaced = "replaced", good,
        "Codes of the old device are not taken any more, and your other sessions are ended.";
    Exempted = "exempted", good, "The user is exempt until the day that you have named.";
    ExemptionOver = "exemption-over", good,
        "The exemption is withdrawn, and the sessions of the user are ended.";
    GroupMade = "group", good, "The group is made. Put users into it, and decide what they are asked for.";
    GroupRemoved = "group-removed", good, "The group is dissolved, and what was decided for it is taken back.";
    GroupSaved = "group-saved", good, "The members are saved. What is decided for the group applies to them at once.";
    LoginOver = "over", bad, "Your sign-in has expired or was ended. Please start again.";
    MailFailed = "mail", bad, "The mail with the code could not be sent. Please ask for it again.";
    MailFailedAtOnce = "mail-begin", bad,
        "The mail with the code could not be sent. Please try again in a moment.";
    MailUnsure = "mail-unsure", warn,
        "We do not know whether the mail with the code has left us. If it does not arrive, ask for a new one.";
    NotTrusted = "not-trusted", warn, "You are signed in, but this browser could not be trusted.";
    PasskeyAdded = "passkey", good,
        "Your passkey is registered, and your other sessions are ended. It is asked for from now on.";
    PasskeyRemoved = "passkey-removed", good, "The passkey is removed, and your other sessions are ended.";
    PasswordChanged = "password", good, "Your password is changed, and your other sessions are ended.";
    ProofOver = "proof-over", bad, "The proof has expired. Please start again.";
    Proved = "proved", good, "Thank you. You can go on.";
    RecoveryUntold = "recovery-untold", bad,
        "The recovery code is used up, and the mail that tells of it could not be delivered. Please sign in again, with the next one.";
    RegisteredUntold = "registered-untold", warn,
        "Your smartphone is registered. The mail that tells you so could not be delivered. Sign in with a code of the smartphone.";
    RegistrationOver = "registration-over", bad, "The registration has expired or was ended. Please start again.";
    SecretDiscarded = "discarded", bad, "After too many wrong codes the secret key was discarded. Please start the registration again.";
    SessionOver = "session-over", bad, "Your session was ended. Please sign in again.";
    SettingsSaved = "saved", good, "The settings are saved, and in force at once, also for sign-ins that have begun.";
    SettingsWithdrawn = "withdrawn", good, "The settings are taken back, also for sign-ins that have begun.";
    SignedOut = "out", good, "You are signed out.";
    TooSoon = "soon", warn, "A code was sent a moment ago. Please wait before you ask for another one.";
    /// In place of another one, where its mail has failed.
    Untold = "untold", warn, "That is done, and holds. The mail that tells you of it could not be delivered.";
}

impl Notice {
    /// What is to be said of a change, of which the user is told by mail as well.
    pub(crate) fn of(self, events: &[Event]) -> Self {
        let undelivered = events.iter().any(|event| matches!(event.kind, EventKind::MailUndelivered));
        if undelivered { Self::Untold } else { self }
    }
}
