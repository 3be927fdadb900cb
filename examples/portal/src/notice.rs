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
    LoginOver = "over", bad, "Your sign-in has expired or was ended. Please start again.";
    SignedOut = "out", good, "You are signed out.";
    SettingsSaved = "saved", good, "The settings are saved, and apply from the next sign-in.";
}
