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
    AccountDeleted = "account-deleted", good, "Your account is deleted.";
    AddressOver = "address-over", bad, "That code has expired, or there were too many wrong ones. Your address is unchanged.";
    AddressChanged = "address", good, "Your address is changed, and your other sessions are ended.";
    BrowserCopied = "copied", bad,
        "This browser is no longer trusted: its cookie was used somewhere else, or an answer was lost. If that wasn't you, change your password.";
    BrowserRevoked = "revoked", good, "The browser is no longer trusted. It will be asked for a code.";
    BrowsersRevoked = "revoked-all", good,
        "Your browsers are no longer trusted, and your other sessions are ended. Every sign-in will ask for a code.";
    CodeSent = "sent", good, "A new code is on its way. Only the newest code works.";
    CodesInForce = "codes", good, "Your new recovery codes are active. The old ones no longer work.";
    CodesOver = "codes-over", bad, "Those recovery codes were not activated in time. Create new ones.";
    CompletionOver = "completion-over", bad, "This page has expired. Start again.";
    DeviceAdded = "added", good, "The device is registered.";
    DeviceLimit = "limit", bad, "You have the maximum number of devices. Remove or replace one of them first.";
    DeviceRemoved = "removed", good, "The device is removed, and your other sessions are ended.";
    DeviceRenamed = "renamed", good, "The device is renamed.";
    DeviceReplaced = "replaced", good,
        "Codes of the old device no longer work, and your other sessions are ended.";
    Exempted = "exempted", good, "The user is exempt until the day that you have chosen.";
    ExemptionOver = "exemption-over", good,
        "The exemption is withdrawn, and the sessions of the user are ended.";
    GroupMade = "group", good, "The group is created. Add users, and choose what they are asked for.";
    GroupRemoved = "group-removed", good, "The group and its settings are deleted.";
    GroupSaved = "group-saved", good, "The members are saved. The settings of the group apply to them at once.";
    LoginOver = "over", bad, "Your sign-in has expired or was ended. Start again.";
    MailFailed = "mail", bad, "We couldn't send the mail with your code. Request a new code.";
    NotTrusted = "not-trusted", warn, "You are signed in, but this browser could not be trusted.";
    PasskeyAdded = "passkey", good,
        "Your passkey is registered, and your other sessions are ended. You will be asked for it from now on.";
    PasskeyRemoved = "passkey-removed", good, "The passkey is removed, and your other sessions are ended.";
    PasswordChanged = "password", good, "Your password is changed, and your other sessions are ended.";
    ProofOver = "proof-over", bad, "Your confirmation has expired. Start again.";
    RecoveryUntold = "recovery-untold", bad,
        "That recovery code is used, but we couldn't send the mail about it. Sign in again with the next one.";
    RegisteredUntold = "registered-untold", warn,
        "Your smartphone is registered, but we couldn't send the mail about it. Sign in with a code from the smartphone.";
    RegistrationOver = "registration-over", bad, "The registration has expired or was ended. Start again.";
    SecretDiscarded = "discarded", bad, "Too many wrong codes. Start the registration again.";
    SessionsEnded = "sessions-ended", good, "The sessions that owed a step are ended.";
    SessionOver = "session-over", bad, "Your session has ended. Sign in again.";
    SettingsSaved = "saved", good, "The settings are saved and apply at once, also to sign-ins in progress.";
    SettingsWithdrawn = "withdrawn", good, "The settings are deleted, also for sign-ins in progress.";
    SignedOut = "out", good, "You are signed out.";
    TooSoon = "soon", warn, "A code was sent a moment ago. Wait before you request another one.";
    Unblocked = "unblocked", good,
        "New browsers are unblocked for this user. If wrong codes were entered by someone else, the user must change the password.";
    /// A sign-in was right, and completes after its owner was told.
    Unfinished = "unfinished", bad, "We couldn't send a security mail to you, so the sign-in is not complete. Sign in again.";
    UserDeleted = "user-deleted", good, "The account is deleted, and its sessions are ended.";
    UserDisabled = "user-disabled", good, "The account is disabled, and its sessions are ended.";
    UserEnabled = "user-enabled", good, "The account is enabled. The user can sign in again.";
    /// In place of another one, where its mail has failed.
    Untold = "untold", warn, "Done. We couldn't send the mail about it yet, and will try again.";
}
