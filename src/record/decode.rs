//! CBOR back to an account: the whole of it, in its bounds, or nothing.

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;

use minicbor::Decoder;
use minicbor::data::Type;

use crate::account::{
    Account, Browsers, Device, Digest, HeldFactor, IssuedCode, MAX_BROWSERS, MAX_DEVICES, MAX_EXTERNAL, MAX_FLOWS,
    OpenFlow, Pending, PendingRecovery, RecoverySet, StoredRecoveryCode, StoredTicket, TrustedBrowser,
};
use crate::browser::{BrowserId, BrowserName};
use crate::device::{DeviceId, DeviceName};
use crate::keys::KeyId;
use crate::login::{Contact, Evidence, Purpose};
use crate::moving::Import;
use crate::otp::{Algorithm, Digits, TimeStep, Totp};
use crate::otpauth::AccountName;
use crate::policy::{AuthenticationMethod, EmailStanding, Exemption, ExternalEvidence, ExternalFactor, Grace, Policy};
use crate::secret::{Secret, SecretText};
use crate::throttle::{Failures, IssuanceBudget, Issues};
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// Reads the plaintext of a format from 1 to [`FORMAT`](super::FORMAT). What a format does not have is as in a new
/// account.
pub(super) fn decode(bytes: &[u8], format: u8) -> Option<Account> {
    let d = &mut Decoder::new(bytes);
    array(d, if format < 2 { 9 } else { 15 })?;
    let account = Account {
        epoch: d.u64().ok()?,
        ever_held_factor: d.bool().ok()?,
        last_device: d.u64().ok()?,
        email_failures: d.u32().ok()?,
        failures: failures(d)?,
        issues: issues(d)?,
        ticket: optional(d, ticket)?,
        devices: list(d, MAX_DEVICES, device)?,
        flows: list(d, MAX_FLOWS, |d| flow(d, format))?,
        recovery: since(2, format, d, recovery)?,
        pending_recovery: since(2, format, d, pending_recovery)?,
        browsers: if format < 2 { Browsers::default() } else { browsers(d)? },
        grace: since(2, format, d, grace)?.unwrap_or_default(),
        exemption: since(2, format, d, exemption)?,
        external: if format < 2 { Vec::new() } else { list(d, MAX_EXTERNAL, external)? },
    };
    (d.position() == bytes.len()).then_some(account)
}

fn grace(d: &mut Decoder<'_>) -> Option<Grace> {
    array(d, 2)?;
    Some(Grace::Started { at: time(d)?, until: time(d)? })
}

fn exemption(d: &mut Decoder<'_>) -> Option<Exemption> {
    array(d, 4)?;
    Exemption::new(d.str().ok()?, d.str().ok()?, time(d)?, time(d)?).ok()
}

fn external(d: &mut Decoder<'_>) -> Option<HeldFactor> {
    array(d, 4)?;
    Some(HeldFactor {
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

fn browsers(d: &mut Decoder<'_>) -> Option<Browsers> {
    array(d, 2)?;
    Some(Browsers { last_id: d.u64().ok()?, trusted: list(d, MAX_BROWSERS, browser)? })
}

fn browser(d: &mut Decoder<'_>) -> Option<TrustedBrowser> {
    array(d, 9)?;
    Some(TrustedBrowser {
        id: BrowserId::new(d.u64().ok()?),
        name: BrowserName::new(d.str().ok()?).ok()?,
        since: time(d)?,
        until: time(d)?,
        last_used_at: optional(d, time)?,
        policy: Policy::decode(d)?,
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
    Some(Failures { spent: d.u32().ok()?, locks: d.u32().ok()?, locked_until: optional(d, time)? })
}

fn issues(d: &mut Decoder<'_>) -> Option<Issues> {
    array(d, 2)?;
    Some(Issues { times: list(d, IssuanceBudget::MAX_PER_HOUR as usize, time)?, paused_until: optional(d, time)? })
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
    array(d, 4)?;
    Some(RecoverySet {
        key: KeyId(d.bytes().ok()?.try_into().ok()?),
        failures: d.u32().ok()?,
        codes: list(d, Import::MAX_RECOVERY_CODES, |d| {
            array(d, 2)?;
            Some(StoredRecoveryCode { tag: d.bytes().ok()?.try_into().ok()?, used: d.bool().ok()? })
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

fn flow(d: &mut Decoder<'_>, format: u8) -> Option<OpenFlow> {
    array(d, if format < 2 { 10 } else { 11 })?;
    Some(OpenFlow {
        token: digest(d)?,
        purpose: match d.u8().ok()? {
            0 => Purpose::Login,
            1 => Purpose::Registration,
            2 => Purpose::StepUp,
            _ => return None,
        },
        epoch: d.u64().ok()?,
        begun_at: time(d)?,
        expires_at: time(d)?,
        contact: contact(d)?,
        policy: Policy::decode(d)?,
        evidence: evidence(d, format)?,
        code: optional(d, issued)?,
        pending: optional(d, pending)?,
        replaces: since(2, format, d, |d| d.u64().ok().map(DeviceId::new))?,
    })
}

fn contact(d: &mut Decoder<'_>) -> Option<Contact> {
    array(d, 2)?;
    let account = AccountName::new(d.str().ok()?).ok()?;
    let email = optional(d, |d| {
        array(d, 3)?;
        let address = EmailAddress::new(d.str().ok()?).ok()?;
        Some((address, EmailStanding { verified: d.bool().ok()?, tainted: d.bool().ok()? }))
    })?;
    Some(Contact { account, email })
}

fn evidence(d: &mut Decoder<'_>, format: u8) -> Option<Evidence> {
    fn used(d: &mut Decoder<'_>) -> Option<(DeviceId, Timestamp)> {
        array(d, 2)?;
        Some((DeviceId::new(d.u64().ok()?), time(d)?))
    }
    array(d, if format < 2 { 4 } else { 6 })?;
    Some(Evidence {
        app_code: optional(d, used)?,
        enrolled: optional(d, used)?,
        email_code: optional(d, time)?,
        ticket: optional(d, time)?,
        recovery_code: since(2, format, d, time)?,
        external: if format < 2 { Vec::new() } else { list(d, MAX_EXTERNAL, checked)? },
        trusted_browser: None,
    })
}

fn issued(d: &mut Decoder<'_>) -> Option<IssuedCode> {
    array(d, 5)?;
    Some(IssuedCode {
        digest: digest(d)?,
        superseded: optional(d, digest)?,
        sent_at: time(d)?,
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
    Some(Digest { key: KeyId(d.bytes().ok()?.try_into().ok()?), tag: d.bytes().ok()?.try_into().ok()? })
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

/// What the formats from `first` on have, if it is there.
fn since<'b, T>(
    first: u8,
    format: u8,
    d: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Option<T>,
) -> Option<Option<T>> {
    if format < first { Some(None) } else { optional(d, read) }
}
