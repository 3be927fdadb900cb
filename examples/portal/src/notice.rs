//! What the next page is to say, carried over a redirect. A browser holds a word of ours, and never a text.

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
    CodeSent = "sent", good, "A new code is on its way. Only the newest code is good.";
    DeviceLimit = "limit", bad, "You have registered as many devices as are allowed. Remove one first.";
    DeviceRemoved = "removed", good, "The device is removed, and your other sessions are ended.";
    DeviceRemovedUntold = "removed-untold", warn,
        "The device is removed, and your other sessions are ended. The mail that tells you so could not be delivered.";
    LoginOver = "over", bad, "Your sign-in has expired or was ended. Please start again.";
    MailFailed = "mail", bad, "The mail with the code could not be sent. Please ask for it again.";
    MailFailedAtOnce = "mail-begin", bad,
        "The mail with the code could not be sent. Please try again in a moment.";
    MailUnsure = "mail-unsure", warn,
        "We do not know whether the mail with the code has left us. If it does not arrive, ask for a new one.";
    PasswordChanged = "password", good, "Your password is changed, and your other sessions are ended.";
    RegisteredUntold = "registered-untold", warn,
        "Your smartphone is registered. The mail that tells you so could not be delivered. Sign in with a code of the smartphone.";
    RegistrationOver = "registration-over", bad, "The registration has expired or was ended. Please start again.";
    SecretDiscarded = "discarded", bad, "After too many wrong codes the secret key was discarded. Please start the registration again.";
    SettingsSaved = "saved", good, "The settings are saved, and in force at once, also for sign-ins that have begun.";
    SignedOut = "out", good, "You are signed out.";
    TooSoon = "soon", warn, "A code was sent a moment ago. Please wait before you ask for another one.";
}
