//! CBOR back to an account: the whole of it, in its bounds, or nothing.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::time::Duration;

use minicbor::Decoder;
use minicbor::data::Type;

use crate::account::{
    Account, Browsers, Device, Digest, IssuedCode, MAX_BROWSERS, MAX_DEVICES, MAX_EXTERNAL, MAX_OWED, MAX_TAIL,
    OpenFlow, OutgoingNotice, Owed, OwedNotice, Pending, PendingRecovery, RecoverySet, RegisteredFactor,
    StoredRecoveryCode, StoredTicket, Tail, TrustedBrowser,
};
use crate::audit::EventKind;
use crate::browser::{BrowserId, BrowserName};
use crate::device::{DeviceId, DeviceName};
use crate::flow::{Contact, Evidence, Purpose, RowDigest};
use crate::keys::KeyId;
use crate::limits::{Failures, IssuanceBudget, Issues};
use crate::mac::TAG_LEN;
use crate::mail::Notice;
use crate::migrate::Import;
use crate::otp::{Algorithm, Digits, TimeStep, Totp};
use crate::otpauth::AccountName;
use crate::policy::{AuthenticationMethod, EmailStanding, Exemption, ExternalEvidence, ExternalFactor, Grace, Policy};
use crate::secret::{Secret, SecretText};
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// Reads the plaintext of a record.
pub(super) fn decode(bytes: &[u8]) -> Option<Account> {
    let d = &mut Decoder::new(bytes);
    array(d, 23)?;
    let account = Account {
        epoch: d.u64().ok()?,
        erased: d.bool().ok()?,
        ever_had_factor: d.bool().ok()?,
        last_device: d.u64().ok()?,
        email_failures: d.u32().ok()?,
        failures: failures(d)?,
        issues: issues(d)?,
        ticket: optional(d, ticket)?,
        devices: list(d, MAX_DEVICES, device)?,
        ..Account::default()
    };
    let tables = &Tables {
        addresses: list(d, 2 * Purpose::ALL_PLACES + MAX_OWED, |d| EmailAddress::new(d.str().ok()?).ok())?,
        policies: list(d, Purpose::ALL_PLACES + MAX_BROWSERS, Policy::decode)?,
    };
    let account = Account {
        flows: list(d, Purpose::ALL_PLACES, |d| flow(d, tables))?,
        recovery: optional(d, recovery)?,
        pending_recovery: optional(d, pending_recovery)?,
        browsers: browsers(d, tables)?,
        grace: optional(d, grace)?.unwrap_or_default(),
        exemption: optional(d, exemption)?,
        external: list(d, MAX_EXTERNAL, external)?,
        address_change: optional(d, time)?,
        row: optional(d, row)?,
        stale_row: optional(d, |d| {
            array(d, 2)?;
            Some((row(d)?, time(d)?))
        })?,
        owed: owed(d, tables)?,
        tail: tail(d)?,
        ..account
    };
    (d.position() == bytes.len()).then_some(account)
}

/// What was written once, and is named by its place.
struct Tables {
    addresses: Vec<EmailAddress>,
    policies: Vec<Policy>,
}

impl Tables {
    fn address(&self, d: &mut Decoder<'_>) -> Option<EmailAddress> {
        self.addresses.get(usize::try_from(d.u64().ok()?).ok()?).cloned()
    }

    fn policy(&self, d: &mut Decoder<'_>) -> Option<Policy> {
        self.policies.get(usize::try_from(d.u64().ok()?).ok()?).cloned()
    }
}

fn row(d: &mut Decoder<'_>) -> Option<RowDigest> {
    array(d, 3)?;
    Some(RowDigest { key: key(d)?, credential: tag(d)?, address: tag(d)? })
}

fn owed(d: &mut Decoder<'_>, tables: &Tables) -> Option<Owed> {
    array(d, 2)?;
    Some(Owed { last: d.u64().ok()?, notices: list(d, MAX_OWED, |d| owed_notice(d, tables))? })
}

fn owed_notice(d: &mut Decoder<'_>, tables: &Tables) -> Option<OwedNotice> {
    array(d, 7)?;
    let (number, tried_at, failed) = (d.u64().ok()?, time(d)?, d.bool().ok()?);
    let to = tables.address(d)?;
    let notice = kind(d)?;
    let name = |d: &mut Decoder<'_>| {
        optional(d, |d| d.str().ok().filter(|name| name.len() <= DeviceName::MAX_LEN).map(ToOwned::to_owned))
    };
    let notice = OutgoingNotice { to, notice, name: name(d)?, replaced: name(d)? };
    Some(OwedNotice { number, notice, tried_at, failed })
}

fn kind(d: &mut Decoder<'_>) -> Option<Notice> {
    if d.datatype().ok()? != Type::Array {
        return Some(match d.u8().ok()? {
            0 => Notice::AddressChangePermitted,
            1 => Notice::BrowserTokenReused,
            2 => Notice::BrowserTrusted,
            3 => Notice::DeviceAdded,
            4 => Notice::DeviceRemoved,
            5 => Notice::DeviceReplaced,
            6 => Notice::FactorsReset,
            7 => Notice::RecoveryCodesRenewed,
            _ => return None,
        });
    }
    array(d, 2)?;
    Some(match d.u8().ok()? {
        8 => Notice::FactorAdded { factor: ExternalFactor::decode(d)? },
        9 => Notice::FactorRemoved { factor: ExternalFactor::decode(d)? },
        10 => Notice::Locked { lasts: Duration::from_secs(d.u64().ok()?) },
        11 => Notice::RecoveryCodeUsed { left: d.u32().ok()? },
        _ => return None,
    })
}

fn tail(d: &mut Decoder<'_>) -> Option<Tail> {
    array(d, 2)?;
    let last = d.u64().ok()?;
    let events = list(d, MAX_TAIL, |d| {
        array(d, 2)?;
        Some((time(d)?, EventKind::decode(d)?))
    })?;
    Some(Tail { last, events })
}

fn grace(d: &mut Decoder<'_>) -> Option<Grace> {
    array(d, 2)?;
    Some(Grace::Started { at: time(d)?, until: time(d)? })
}

fn exemption(d: &mut Decoder<'_>) -> Option<Exemption> {
    array(d, 4)?;
    Exemption::new(d.str().ok()?, d.str().ok()?, time(d)?, time(d)?).ok()
}

fn external(d: &mut Decoder<'_>) -> Option<RegisteredFactor> {
    array(d, 4)?;
    Some(RegisteredFactor {
        factor: ExternalFactor::decode(d)?,
        added_at: time(d)?,
        last_used_at: optional(d, time)?,
        failures: d.u32().ok()?,
    })
}

fn checked(d: &mut Decoder<'_>) -> Option<ExternalEvidence> {
    array(d, 3)?;
    let (factor, at) = (ExternalFactor::decode(d)?, time(d)?);
    let methods = list(d, AuthenticationMethod::COUNT, |d| AuthenticationMethod::from_amr(d.str().ok()?))?;
    ExternalEvidence::assertion(factor, methods, at).ok()
}

fn browsers(d: &mut Decoder<'_>, tables: &Tables) -> Option<Browsers> {
    array(d, 2)?;
    Some(Browsers { last_id: d.u64().ok()?, trusted: list(d, MAX_BROWSERS, |d| browser(d, tables))? })
}

fn browser(d: &mut Decoder<'_>, tables: &Tables) -> Option<TrustedBrowser> {
    array(d, 10)?;
    Some(TrustedBrowser {
        id: BrowserId::new(d.u64().ok()?),
        name: BrowserName::new(d.str().ok()?).ok()?,
        since: time(d)?,
        until: time(d)?,
        last_used_at: optional(d, time)?,
        policy: tables.policy(d)?,
        row: row(d)?,
        series: digest(d)?,
        token: digest(d)?,
        replaced: optional(d, |d| {
            array(d, 2)?;
            Some((digest(d)?, time(d)?))
        })?,
    })
}

fn failures(d: &mut Decoder<'_>) -> Option<Failures> {
    array(d, 3)?;
    Some(Failures { spent: d.u32().ok()?, locks: d.u32().ok()?, locked_at: optional(d, time)? })
}

fn issues(d: &mut Decoder<'_>) -> Option<Issues> {
    array(d, 2)?;
    Some(Issues { times: list(d, IssuanceBudget::MAX_PER_HOUR as usize, time)?, undelivered: d.bool().ok()? })
}

fn ticket(d: &mut Decoder<'_>) -> Option<StoredTicket> {
    array(d, 2)?;
    Some(StoredTicket { digest: digest(d)?, expires_at: time(d)? })
}

fn device(d: &mut Decoder<'_>) -> Option<Device> {
    array(d, 8)?;
    Some(Device {
        id: DeviceId::new(d.u64().ok()?),
        name: DeviceName::new(d.str().ok()?).ok()?,
        totp: totp(d)?,
        secret: secret(d)?,
        last_step: TimeStep::new(d.u64().ok()?),
        failures: d.u32().ok()?,
        added_at: time(d)?,
        last_used_at: optional(d, time)?,
    })
}

fn recovery(d: &mut Decoder<'_>) -> Option<RecoverySet> {
    array(d, 5)?;
    Some(RecoverySet {
        key: key(d)?,
        since: time(d)?,
        failures: d.u32().ok()?,
        codes: list(d, Import::MAX_RECOVERY_CODES, |d| {
            array(d, 2)?;
            Some(StoredRecoveryCode { tag: tag(d)?, used: d.bool().ok()? })
        })?,
        imported: optional(d, |d| list(d, Import::MAX_RECOVERY_CODES, hash))?,
    })
}

fn hash(d: &mut Decoder<'_>) -> Option<SecretText> {
    let hash = d.str().ok()?;
    (hash.len() <= Import::MAX_HASH_LEN).then(|| SecretText::new(hash.to_owned()))
}

fn pending_recovery(d: &mut Decoder<'_>) -> Option<PendingRecovery> {
    array(d, 3)?;
    Some(PendingRecovery { set: recovery(d)?, expires_at: time(d)?, attempts: d.u32().ok()? })
}

fn flow(d: &mut Decoder<'_>, tables: &Tables) -> Option<OpenFlow> {
    array(d, 13)?;
    Some(OpenFlow {
        token: digest(d)?,
        purpose: match d.u8().ok()? {
            0 => Purpose::Login,
            1 => Purpose::Registration,
            2 => Purpose::StepUp,
            3 => Purpose::Completion,
            _ => return None,
        },
        epoch: d.u64().ok()?,
        session: d.u64().ok()?,
        row: row(d)?,
        begun_at: time(d)?,
        expires_at: time(d)?,
        contact: contact(d, tables)?,
        policy: tables.policy(d)?,
        evidence: evidence(d, tables)?,
        code: optional(d, issued)?,
        pending: optional(d, pending)?,
        replaces: optional(d, |d| d.u64().ok().map(DeviceId::new))?,
    })
}

fn contact(d: &mut Decoder<'_>, tables: &Tables) -> Option<Contact> {
    array(d, 2)?;
    let listed = optional(d, |d| AccountName::new(d.str().ok()?).ok())?;
    let email = optional(d, |d| {
        array(d, 3)?;
        let address = tables.address(d)?;
        Some((address, EmailStanding { verified: d.bool().ok()?, tainted: d.bool().ok()? }))
    })?;
    let account = listed.or_else(|| email.as_ref().map(|(address, _)| AccountName::from(address)))?;
    Some(Contact { account, email })
}

fn evidence(d: &mut Decoder<'_>, tables: &Tables) -> Option<Evidence> {
    fn used(d: &mut Decoder<'_>) -> Option<(DeviceId, Timestamp)> {
        array(d, 2)?;
        Some((DeviceId::new(d.u64().ok()?), time(d)?))
    }
    array(d, 6)?;
    Some(Evidence {
        app_code: optional(d, used)?,
        registered: optional(d, used)?,
        email_code: optional(d, |d| {
            array(d, 2)?;
            Some((tables.address(d)?, time(d)?))
        })?,
        ticket: optional(d, time)?,
        recovery_code: optional(d, time)?,
        external: list(d, MAX_EXTERNAL, checked)?,
        trusted_browser: None,
    })
}

fn issued(d: &mut Decoder<'_>) -> Option<IssuedCode> {
    array(d, 5)?;
    Some(IssuedCode {
        digest: digest(d)?,
        superseded: optional(d, digest)?,
        sent_at: optional(d, time)?,
        expires_at: time(d)?,
        attempts: d.u32().ok()?,
    })
}

fn pending(d: &mut Decoder<'_>) -> Option<Pending> {
    array(d, 4)?;
    Some(Pending { totp: totp(d)?, secret: secret(d)?, expires_at: time(d)?, attempts: d.u32().ok()? })
}

fn totp(d: &mut Decoder<'_>) -> Option<Totp> {
    array(d, 4)?;
    let algorithm = match d.u8().ok()? {
        1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        3 => Algorithm::Sha512,
        _ => return None,
    };
    let digits = Digits::new(d.u8().ok()?).ok()?;
    let period = d.u64().ok()?;
    Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).t0(time(d)?).build().ok()
}

fn secret(d: &mut Decoder<'_>) -> Option<Secret> {
    // What was imported may be short.
    Secret::from_legacy_bytes(d.bytes().ok()?).ok()
}

fn digest(d: &mut Decoder<'_>) -> Option<Digest> {
    array(d, 2)?;
    Some(Digest { key: key(d)?, tag: tag(d)? })
}

fn key(d: &mut Decoder<'_>) -> Option<KeyId> {
    Some(KeyId(d.bytes().ok()?.try_into().ok()?))
}

fn tag(d: &mut Decoder<'_>) -> Option<[u8; TAG_LEN]> {
    d.bytes().ok()?.try_into().ok()
}

fn time(d: &mut Decoder<'_>) -> Option<Timestamp> {
    d.u64().ok().map(Timestamp::from_secs)
}

fn array(d: &mut Decoder<'_>, len: u64) -> Option<()> {
    (d.array().ok()? == Some(len)).then_some(())
}

fn list<'b, T>(d: &mut Decoder<'b>, max: usize, read: impl Fn(&mut Decoder<'b>) -> Option<T>) -> Option<Vec<T>> {
    let len = usize::try_from(d.array().ok()??).ok().filter(|len| *len <= max)?;
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(read(d)?);
    }
    Some(items)
}

/// `Some(None)` for null.
fn optional<'b, T>(d: &mut Decoder<'b>, read: impl FnOnce(&mut Decoder<'b>) -> Option<T>) -> Option<Option<T>> {
    match d.datatype().ok()? {
        Type::Null => d.null().ok().map(|()| None),
        _ => read(d).map(Some),
    }
}
