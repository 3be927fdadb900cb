//! The aggregate of one user, and its pure transitions: no clock, no randomness, no storage.
//!
//! A transition changes the account in memory and says whether anything changed. `mfa` seals it, swaps it in,
//! and only then reveals what the transition came to.

mod company;
mod devices;
mod digest;
mod enroll;
mod external;
mod flow;
mod import;
mod keys;
mod proof;
mod recovery;
mod replace;
mod reset;
mod step_up;
mod trust;
mod verify;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::browser::BrowserName;
use crate::code::{Code, Digits};
use crate::device::{DeviceId, DeviceInfo, DeviceName};
use crate::event::EventKind;
use crate::keys::{KeyId, ServerKeys};
use crate::login::{Contact, DeniedReason, Evidence, Finished, Open, Purpose, Series, Token};
use crate::mailer::Notice;
use crate::moving::Import;
use crate::otp::{TimeStep, Totp, Window};
use crate::otpauth::{Issuer, KeyUri};
use crate::policy::{DeviceStanding, EmailStanding, Exemption, Grace, Policy, Standing, Step};
use crate::secret::Secret;
use crate::throttle::{FailureBudget, Failures, IssuanceBudget, Issues};
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

pub(crate) use self::devices::RemovalRefusal;
pub(crate) use self::external::{HeldFactor, MAX_EXTERNAL};
pub(crate) use self::flow::Opening;
pub(crate) use self::proof::Unproved;
pub(crate) use self::recovery::{PendingRecovery, RecoverySet, StoredRecoveryCode};
pub(crate) use self::step_up::Session;
pub(crate) use self::trust::{Browsers, MAX_BROWSERS, TrustedBrowser};

/// The most devices that a user can hold.
pub(crate) const MAX_DEVICES: usize = Import::MAX_DEVICES;
/// The most flows that are open for a user; the oldest makes way for a new one.
pub(crate) const MAX_FLOWS: usize = 5;
/// How long a flow is open, and how long a registration waits for its code.
pub(crate) const FLOW_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong codes after which a pending registration is dropped. They are no guesses: whoever confirms was
/// shown the secret.
pub(crate) const ATTEMPTS_PER_ENROLLMENT: u32 = 10;
/// How long a ticket is good.
pub(crate) const TICKET_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// All that is kept of a user.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) browsers: Browsers,
    pub(crate) devices: Vec<Device>,
    /// Consecutive wrong e-mail codes.
    pub(crate) email_failures: u32,
    /// Flows and sessions of an earlier epoch are dead.
    pub(crate) epoch: u64,
    /// It never becomes false again.
    pub(crate) ever_held_factor: bool,
    pub(crate) exemption: Option<Exemption>,
    /// The factors of the host that the user holds.
    pub(crate) external: Vec<HeldFactor>,
    pub(crate) failures: Failures,
    pub(crate) flows: Vec<OpenFlow>,
    /// Written once.
    pub(crate) grace: Grace,
    pub(crate) issues: Issues,
    pub(crate) last_device: u64,
    pub(crate) pending_recovery: Option<PendingRecovery>,
    pub(crate) recovery: Option<RecoverySet>,
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

/// A login, or a registration from the profile, that is under way. It keeps evidence, never a plan.
pub(crate) struct OpenFlow {
    pub(crate) begun_at: Timestamp,
    pub(crate) code: Option<IssuedCode>,
    pub(crate) contact: Contact,
    pub(crate) epoch: u64,
    pub(crate) evidence: Evidence,
    pub(crate) expires_at: Timestamp,
    pub(crate) pending: Option<Pending>,
    /// The policy when it began; what is asked is the strictest of this and the policy now.
    pub(crate) policy: Policy,
    pub(crate) purpose: Purpose,
    /// The device whose place the registration takes.
    pub(crate) replaces: Option<DeviceId>,
    pub(crate) token: Digest,
}

/// An e-mail code that was sent. It can be entered in its own flow only.
pub(crate) struct IssuedCode {
    pub(crate) attempts: u32,
    pub(crate) digest: Digest,
    pub(crate) expires_at: Timestamp,
    pub(crate) sent_at: Timestamp,
    /// The code before it: refused, but no guess.
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

/// A keyed digest of something that a user holds.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    pub(crate) key: KeyId,
    pub(crate) tag: [u8; 32],
}

/// The settings of the engine.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) email_digits: Digits,
    pub(crate) email_lifetime: Duration,
    pub(crate) failures: FailureBudget,
    pub(crate) issuance: IssuanceBudget,
    pub(crate) issuer: Issuer,
    pub(crate) totp: Totp,
    pub(crate) trust_lifetime: Duration,
    pub(crate) window: Window,
}

/// What a transition is told.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) keys: &'a ServerKeys,
    pub(crate) now: Timestamp,
    pub(crate) rules: &'a Rules,
    pub(crate) user: &'a UserId,
}

/// What a request on an open flow brings with it.
pub(crate) struct Request<'a> {
    pub(crate) cx: Context<'a>,
    pub(crate) policy: &'a Policy,
    pub(crate) purpose: Purpose,
    pub(crate) token: &'a Token,
}

/// Randomness that was drawn for one attempt at a transition. What it does not use is wiped.
pub(crate) struct Fresh {
    pub(crate) code: Code,
    pub(crate) secret: Secret,
    pub(crate) series: Box<Zeroizing<Series>>,
    pub(crate) ticket: Ticket,
    pub(crate) token: Token,
}

/// What a transition came to. Nothing of it is revealed before the change is stored.
pub(crate) struct Decision<T> {
    pub(crate) changed: bool,
    pub(crate) events: Vec<EventKind>,
    pub(crate) mails: Vec<Outgoing>,
    pub(crate) value: T,
}

impl<T> Decision<T> {
    pub(crate) fn unchanged(value: T) -> Self {
        Self { changed: false, events: Vec::new(), mails: Vec::new(), value }
    }

    pub(crate) fn changed(value: T) -> Self {
        Self { changed: true, events: Vec::new(), mails: Vec::new(), value }
    }

    pub(crate) fn with_event(mut self, event: EventKind) -> Self {
        self.events.push(event);
        self
    }

    pub(crate) fn with_mail(mut self, mail: Option<Outgoing>) -> Self {
        self.mails.extend(mail);
        self
    }
}

/// A mail that is sent after the commit.
pub(crate) enum Outgoing {
    Code { to: EmailAddress, code: Code },
    Notice(OutgoingNotice),
}

/// Word of a change.
pub(crate) struct OutgoingNotice {
    pub(crate) to: EmailAddress,
    pub(crate) notice: Notice,
    pub(crate) name: Option<String>,
    pub(crate) replaced: Option<String>,
}

impl Outgoing {
    /// Word of a change, where there is an address for it.
    pub(crate) fn notice(contact: &Contact, notice: Notice) -> Option<Self> {
        Self::word(contact, notice, None, None)
    }

    /// Word of a device that has taken the place of another one.
    pub(crate) fn replacement_notice(contact: &Contact, replaced: &DeviceName, device: &DeviceName) -> Option<Self> {
        Self::word(contact, Notice::DeviceReplaced, Some(device.as_str()), Some(replaced.as_str()))
    }

    /// Word of a change to one device.
    pub(crate) fn device_notice(contact: &Contact, notice: Notice, device: &DeviceName) -> Option<Self> {
        Self::word(contact, notice, Some(device.as_str()), None)
    }

    /// Word of what became of a trusted browser.
    pub(crate) fn browser_notice(contact: &Contact, notice: Notice, browser: &BrowserName) -> Option<Self> {
        Self::word(contact, notice, Some(browser.as_str()), None)
    }

    fn word(contact: &Contact, notice: Notice, name: Option<&str>, replaced: Option<&str>) -> Option<Self> {
        let (to, _) = contact.email.clone()?;
        let (name, replaced) = (name.map(String::from), replaced.map(String::from));
        Some(Self::Notice(OutgoingNotice { to, notice, name, replaced }))
    }
}

/// Where a flow stands.
#[allow(clippy::large_enum_variant, reason = "made once in each operation, and moved twice")]
pub(crate) enum Progress {
    Challenge(Open),
    Denied(DeniedReason),
    Enroll(Open, KeyUri),
    Finished(Finished),
}

impl Account {
    /// What the policy may know of the user.
    pub(crate) fn standing(&self, now: Timestamp, contact: &Contact) -> Standing {
        let mut standing = Standing::at(now);
        standing.exemption = self.exemption.clone();
        standing.external = self.external.iter().map(|held| held.factor).collect();
        standing.grace = self.grace;
        standing.device = if !self.devices.is_empty() {
            DeviceStanding::Confirmed { recovery_codes: self.has_recovery_codes() }
        } else if self.ever_held_factor {
            DeviceStanding::Formerly
        } else {
            DeviceStanding::Never
        };
        standing.pending = self.flows.iter().any(|flow| flow.pending.is_some());
        standing.email = contact.email.as_ref().map(|(_, email)| EmailStanding {
            // Who guessed too often at codes by mail is sent none any more.
            tainted: email.tainted || self.email_failures >= FailureBudget::CONSECUTIVE_CAP,
            ..*email
        });
        standing.ticket = self.ticket.as_ref().is_some_and(|ticket| now < ticket.expires_at);
        standing
    }

    pub(crate) fn device_list(&self) -> Vec<DeviceInfo> {
        let info = |device: &Device| DeviceInfo {
            id: device.id,
            name: device.name.clone(),
            added_at: device.added_at,
            last_used_at: device.last_used_at,
            disabled: device.is_disabled(),
        };
        self.devices.iter().map(info).collect()
    }

    /// Whether there is nothing left that could answer `step`, for too many wrong codes.
    pub(crate) fn is_worn_out(&self, step: Step) -> bool {
        match step {
            Step::AppCode => self.devices.iter().all(Device::is_disabled),
            Step::External(factor) => self.external.iter().any(|held| held.factor == factor && held.is_disabled()),
            _ => false,
        }
    }

    /// Ends every open flow, every session, and the trust in every browser; with them recovery codes that wait for
    /// their confirmation.
    pub(crate) fn end_flows(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.flows.clear();
        self.browsers.trusted.clear();
        self.pending_recovery = None;
    }
}

impl Device {
    pub(crate) fn is_disabled(&self) -> bool {
        self.failures >= FailureBudget::CONSECUTIVE_CAP
    }
}
