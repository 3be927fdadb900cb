//! The account as the budgets see it, and what people do.

use super::budget::Budget;
use super::rules::{NEVER, Time};

pub(crate) const APP: u8 = 1;
pub(crate) const MAIL: u8 = 2;
pub(crate) const RECOVERY: u8 = 4;

/// A token that a browser has, with a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub token: i64,
    pub wrong: i64,
    pub locked_at: Time,
}

impl Key {
    pub(crate) fn new(token: i64) -> Self {
        Self { token, wrong: 0, locked_at: NEVER }
    }
}

/// A known browser.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Browser {
    pub id: i64,
    pub key: Key,
    /// The token before. It is valid until the new one was seen: an answer may have been lost.
    pub old: Option<Key>,
    /// Whether both tokens share one count: the old one was replaced without an app code.
    pub shares: bool,
    /// The factors for which the browser has a budget of its own.
    pub proved: u8,
    pub used: Time,
    pub trusted: bool,
    /// Mailed codes, and from when they count.
    pub sent: (i64, Time),
}

impl Browser {
    pub(crate) fn key_of(&self, token: i64) -> Key {
        self.old.filter(|old| old.token == token).unwrap_or(self.key)
    }

    pub(crate) fn has(&self, token: i64) -> bool {
        token != 0 && (self.key.token == token || self.old.is_some_and(|old| old.token == token))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Person {
    Attacker,
    Owner,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    pub id: i64,
    /// Who began it. The engine does not know.
    pub by: Person,
    /// 0 is an unknown browser.
    pub browser: i64,
    /// The token that was presented.
    pub token: i64,
    pub begun: Time,
    pub proved: u8,
    /// Units and codes that the flow has spent from the shared budget of app codes, and of e-mail codes.
    pub spent: [(i64, i64); 2],
    /// Wrong app codes, whoever paid.
    pub codes: i64,
    /// A mailed code: attempts, and when it was sent.
    pub code: Option<(i64, Time)>,
    /// Begun with the newest token of a browser that has proved an app code.
    pub known: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub now: Time,
    pub budgets: [Budget; 2],
    /// Consecutive failures, and when the last code was accepted.
    pub devices: Vec<(i64, Time)>,
    pub browsers: Vec<Browser>,
    pub flows: Vec<Flow>,
    /// Codes left, and consecutive failures.
    pub recovery: (i64, i64),
    pub mail_failures: i64,
    pub sent: (i64, Time),
    pub granted_at: Time,
    pub ids: i64,
    /// What the engine does not know.
    pub ghost: Ghost,
}

/// Who has what, and what has been counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// The token in the owner's browser, the copy that the attacker has made, and a token that the attacker was given.
    pub cookie: i64,
    pub copy: i64,
    pub thief: i64,
    pub attacker_has_password: bool,
    /// The attacker has signed in by more than an e-mail code.
    pub inside: bool,
    /// App units that flows of the attacker have compared, and units that were paid back for them.
    pub units: i64,
    pub paid: i64,
    /// The true time, jumps of the clock, and by how much it is wrong.
    pub life: Time,
    pub jumps: i64,
    pub off: Time,
    /// Full restorations, and password resets.
    pub restored: i64,
    pub resets: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cookie {
    Nothing,
    Own,
    Copied,
    Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Typed {
    Right,
    Wrong,
    /// Right, and used before.
    Used,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RecoveryTyped {
    Right,
    /// The first half is that of no code of this user.
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    App(Person, i64, Typed, Option<usize>),
    Begin(Person, Cookie),
    Copy,
    Jump(Time),
    MailCode(Person, i64, Typed),
    Password(Person, bool),
    Recover(Person, i64, RecoveryTyped),
    RemoveDevice,
    Send(Person, i64),
    Trust,
    Wait(Time),
}

impl Action {
    pub(crate) fn person(&self) -> Option<Person> {
        match *self {
            Self::App(who, ..)
            | Self::Begin(who, _)
            | Self::MailCode(who, ..)
            | Self::Password(who, _)
            | Self::Recover(who, ..)
            | Self::Send(who, _) => Some(who),
            Self::Copy | Self::Jump(_) | Self::RemoveDevice | Self::Trust | Self::Wait(_) => None,
        }
    }
}

/// What an action comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Challenge,
    ChooseDevice,
    DeviceDisabled,
    Expired,
    FlowEnded,
    Granted,
    Locked,
    MailDisabled,
    NewBrowsersBlocked,
    NextStep,
    NoCodeSent,
    NotOpen,
    NotRestored,
    Ok,
    RecoveryDisabled,
    Restored,
    Sent,
    SignedIn,
    TooSoon,
    WrongCode,
    WrongPassword,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub answer: Answer,
    /// Units of the shared budget.
    pub cost: i64,
    /// Units that were compared.
    pub compared: i64,
    pub paid: i64,
    /// A new token for the browser; 0 is none.
    pub token: i64,
}

impl From<Answer> for Out {
    fn from(answer: Answer) -> Self {
        Self { answer, cost: 0, compared: 0, paid: 0, token: 0 }
    }
}
