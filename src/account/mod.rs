//! The aggregate of one user, and its pure transitions: no clock, no randomness, no storage.
//!
//! A transition changes the account in memory and says whether anything changed. `mfa` seals it, swaps it in, and only
//! then reveals what the transition came to.

mod actions;
mod administration;
mod browsers;
mod devices;
mod digest;
mod enroll;
mod external;
mod flows;
mod guesses;
mod import;
mod key_usage;
mod notices;
mod outlook;
mod recovery;
mod sessions;
mod status;
mod turn;
mod verify;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::audit::EventKind;
use crate::browser::Series;
use crate::code::{Code, Digits};
use crate::device::{DeviceId, DeviceName};
use crate::flow::{AddressPermit, Contact, Evidence, Judge, Open, Passed, Purpose, Refusal, RowDigest, Token};
use crate::keys::{KeyId, ServerKeys};
use crate::limits::{Each, Guessing, IssuanceBudget, Issues, SharedBudget, Spent, can_be_past, is_running};
use crate::mac::TAG_LEN;
use crate::migrate::Import;
use crate::otp::{TimeStep, Totp, Window};
use crate::otpauth::{Issuer, KeyUri};
use crate::policy::{Exemption, Grace, Policy};
use crate::secret::Secret;
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

pub(crate) use self::browsers::{
    Browsers, FlowBrowser, KnownBrowser, MAX_KNOWN, MAX_TRUSTED, Replaced, Trust, WrongCodes,
};
pub(crate) use self::external::{MAX_EXTERNAL, RegisteredFactor};
pub(crate) use self::flows::Opening;
pub(crate) use self::import::Prepaid;
pub(crate) use self::notices::{MAX_OWED, NumberedEvent, OutgoingNotice, Owed, OwedNotice, Tail};
pub(crate) use self::recovery::{PendingRecovery, RecoverySet, StoredRecoveryCode};

/// The most devices that a user can have.
pub(crate) const MAX_DEVICES: usize = Import::MAX_DEVICES;
/// How long a flow is open, and how long a registration waits for its code.
pub(crate) const FLOW_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong codes after which a pending registration is dropped. They are no guesses: the user was shown the secret.
pub(crate) const ATTEMPTS_PER_ENROLLMENT: u32 = 10;
/// How long a ticket is valid.
pub(crate) const TICKET_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a row that was replaced is refused at the beginning of a login.
pub(crate) const STALE_ROW_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// All that is kept of a user.
#[derive(Default)]
pub(crate) struct Account {
    /// Until when no code is mailed, because the host is writing a new address.
    pub(crate) address_change: Option<Timestamp>,
    pub(crate) browsers: Browsers,
    pub(crate) devices: Vec<Device>,
    /// Consecutive wrong e-mail codes.
    pub(crate) email_failures: u32,
    /// Flows and sessions of an earlier epoch are dead.
    pub(crate) epoch: u64,
    /// Only a tombstone is left: nothing can be opened for this user.
    pub(crate) erased: bool,
    /// It never becomes false again.
    pub(crate) ever_had_factor: bool,
    pub(crate) exemption: Option<Exemption>,
    /// The external factors that the user has registered.
    pub(crate) external: Vec<RegisteredFactor>,
    pub(crate) flows: Vec<OpenFlow>,
    /// When a password change without a second factor last gave guesses back.
    pub(crate) granted_at: Option<Timestamp>,
    /// Written once.
    pub(crate) grace: Grace,
    pub(crate) issues: Issues,
    pub(crate) last_device: u64,
    pub(crate) owed: Owed,
    pub(crate) pending_recovery: Option<PendingRecovery>,
    pub(crate) recovery: Option<RecoverySet>,
    /// The row that the last login was begun with, or that was reported.
    pub(crate) row: Option<RowDigest>,
    /// What unknown browsers have spent.
    pub(crate) shared: Each<SharedBudget>,
    /// The row that the last reported change replaced, and until when it is refused.
    pub(crate) stale_row: Option<(RowDigest, Timestamp)>,
    pub(crate) tail: Tail,
    pub(crate) ticket: Option<StoredTicket>,
}

pub(crate) struct Device {
    pub(crate) added_at: Timestamp,
    /// Consecutive wrong codes. Time does not reset them.
    pub(crate) failures: u32,
    pub(crate) id: DeviceId,
    /// The greatest step that was accepted, at whatever occasion.
    pub(crate) last_step: TimeStep,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) name: DeviceName,
    pub(crate) secret: Secret,
    pub(crate) totp: Totp,
}

/// A flow that is open. It keeps evidence, never a plan.
pub(crate) struct OpenFlow {
    pub(crate) begun_at: Timestamp,
    pub(crate) browser: Option<FlowBrowser>,
    pub(crate) code: Option<IssuedCode>,
    pub(crate) contact: Contact,
    pub(crate) epoch: u64,
    pub(crate) evidence: Evidence,
    pub(crate) expires_at: Timestamp,
    /// Begun with the newest token of a browser that has proved the strongest factor.
    pub(crate) known: bool,
    pub(crate) pending: Option<Pending>,
    /// The policy when it began; the flow is judged by the strictest of this and the policy of now.
    pub(crate) policy: Policy,
    /// What it has proved itself, a bit for each kind of target.
    pub(crate) proved: u8,
    pub(crate) purpose: Purpose,
    /// The device that the registration replaces.
    pub(crate) replaces: Option<DeviceId>,
    /// The row that it was begun with.
    pub(crate) row: RowDigest,
    /// The number of the session that it was begun in; of a login, of the session that it opens.
    pub(crate) session: u64,
    /// What it has spent of the shared budgets.
    pub(crate) spent: Each<Spent>,
    pub(crate) token: Digest,
    /// Wrong app codes, whoever paid for them.
    pub(crate) wrong_app_codes: u32,
}

/// An e-mail code that was sent. It can be entered in its own flow only.
pub(crate) struct IssuedCode {
    pub(crate) attempts: u32,
    pub(crate) digest: Digest,
    pub(crate) expires_at: Timestamp,
    /// `None` once the mail system has refused it.
    pub(crate) sent_at: Option<Timestamp>,
    /// The code before it.
    pub(crate) superseded: Option<Digest>,
}

/// A registration that waits for its code. Nothing accepts its codes but its confirmation.
pub(crate) struct Pending {
    pub(crate) attempts: u32,
    pub(crate) expires_at: Timestamp,
    pub(crate) secret: Secret,
    pub(crate) totp: Totp,
}

pub(crate) struct StoredTicket {
    pub(crate) digest: Digest,
    pub(crate) expires_at: Timestamp,
}

/// A keyed digest of something that a user has.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    pub(crate) key: KeyId,
    pub(crate) tag: [u8; TAG_LEN],
}

/// The settings of the engine.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) email_digits: Digits,
    pub(crate) email_lifetime: Duration,
    pub(crate) guessing: Guessing,
    pub(crate) issuance: IssuanceBudget,
    pub(crate) issuer: Issuer,
    pub(crate) totp: Totp,
    pub(crate) trust_lifetime: Duration,
    pub(crate) window: Window,
}

/// What a transition is given.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) keys: &'a ServerKeys,
    pub(crate) now: Timestamp,
    pub(crate) rules: &'a Rules,
    pub(crate) user: &'a UserId,
}

/// A request on an open flow.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) judge: Judge<'a>,
    pub(crate) purpose: Purpose,
    pub(crate) token: &'a Token,
}

/// Randomness that was drawn for one attempt at a transition. What it does not use is wiped.
pub(crate) struct Fresh {
    pub(crate) code: Code,
    pub(crate) secret: Secret,
    pub(crate) series: Box<Zeroizing<Series>>,
    pub(crate) session: u64,
    pub(crate) ticket: Ticket,
    pub(crate) token: Token,
}

/// What a transition came to. Nothing of it is revealed before the change is stored.
pub(crate) struct Decision<T> {
    pub(crate) changed: bool,
    /// A code to mail after the commit. It is not stored; the user can ask for another one.
    pub(crate) code: Option<CodeToSend>,
    pub(crate) events: Vec<EventKind>,
    /// Notices that become part of the commit.
    pub(crate) notices: Vec<OutgoingNotice>,
    pub(crate) value: T,
}

pub(crate) struct CodeToSend {
    pub(crate) code: Code,
    pub(crate) to: EmailAddress,
    pub(crate) valid_for: Duration,
}

impl<T> Decision<T> {
    pub(crate) fn unchanged(value: T) -> Self {
        Self { changed: false, code: None, events: Vec::new(), notices: Vec::new(), value }
    }

    pub(crate) fn changed(value: T) -> Self {
        Self { changed: true, ..Self::unchanged(value) }
    }

    pub(crate) fn with_event(mut self, event: EventKind) -> Self {
        self.events.push(event);
        self
    }

    pub(crate) fn with_events(mut self, events: impl IntoIterator<Item = EventKind>) -> Self {
        self.events.extend(events);
        self
    }

    pub(crate) fn with_notice(mut self, notice: Option<OutgoingNotice>) -> Self {
        self.notices.extend(notice);
        self
    }

    /// The same decision after another one, whose events and notices come first.
    pub(crate) fn following(mut self, before: Option<Decision<()>>) -> Self {
        let Some(Decision { events, mut notices, .. }) = before else { return self };
        notices.append(&mut self.notices);
        self.notices = notices;
        self.after(events)
    }

    /// The same decision with `events` before its own.
    pub(crate) fn after(mut self, mut events: Vec<EventKind>) -> Self {
        events.append(&mut self.events);
        self.events = events;
        self
    }

    pub(crate) fn map<U>(self, value: impl FnOnce(T) -> U) -> Decision<U> {
        let Self { changed, code, events, notices, value: old } = self;
        Decision { changed, code, events, notices, value: value(old) }
    }
}

/// What a change of the profile, or by an administrator, came to.
pub(crate) type Change<T> = Decision<Result<T, Refusal>>;

/// Where a flow stands.
#[allow(clippy::large_enum_variant, reason = "made once in each operation, and moved twice")]
pub(crate) enum Progress {
    Challenge(Open),
    Denied(Refusal),
    Enroll(Open, KeyUri),
    Finished(Passed),
}

impl Account {
    /// Ends every open flow, every session, and the trust in every browser, which stays known; with them recovery codes
    /// that wait for their confirmation.
    pub(crate) fn end_sessions(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.flows.clear();
        self.browsers.end_trust();
        self.pending_recovery = None;
    }

    /// Removes what has ended, on the way to a write.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        let epoch = self.epoch;
        self.flows.retain(|flow| flow.is_open(epoch, now));
        self.exemption.take_if(|exemption| exemption.until() <= now);
        self.stale_row.take_if(|(_, until)| !is_running(*until, STALE_ROW_LIFETIME, now));
        self.address_change.take_if(|until| !is_running(*until, AddressPermit::LIFETIME, now));
    }
}

impl OpenFlow {
    /// Whether it is open at `now` in this epoch. A flow that was begun by a clock that was ahead is not: it, and the code
    /// that was mailed for it, would be valid for as long as the clock was wrong.
    pub(crate) fn is_open(&self, epoch: u64, now: Timestamp) -> bool {
        self.epoch == epoch && now < self.expires_at && can_be_past(self.begun_at, now)
    }
}

impl StoredTicket {
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        is_running(self.expires_at, TICKET_LIFETIME, now)
    }
}

impl Device {
    pub(crate) fn is_disabled(&self) -> bool {
        self.failures >= Guessing::CONSECUTIVE_CAP
    }
}

#[cfg(test)]
impl Rules {
    /// The default settings.
    pub(crate) fn sample() -> Self {
        Self {
            email_digits: Digits::EIGHT,
            email_lifetime: FLOW_LIFETIME,
            guessing: Guessing::new(),
            issuance: IssuanceBudget::default(),
            issuer: Issuer::new("ACME").unwrap(),
            totp: Totp::default(),
            trust_lifetime: FLOW_LIFETIME,
            window: Window::default(),
        }
    }
}
