//! An account as CBOR: arrays in a fixed order, no names.

use alloc::vec::Vec;

use minicbor::Encoder;
use minicbor::encode::Error;
use minicbor::encode::write::{EndOfSlice, Write};

use crate::account::{
    Account, Browsers, Device, Digest, IssuedCode, OpenFlow, OutgoingNotice, OwedNotice, Pending, PendingRecovery,
    RecoverySet, RegisteredFactor, StoredRecoveryCode, StoredTicket, TrustedBrowser,
};
use crate::flow::{Contact, Evidence, Purpose, RowDigest};
use crate::mail::Notice;
use crate::otp::{Algorithm, Totp};
use crate::otpauth::AccountName;
use crate::policy::{Exemption, Grace, Policy};
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// The length of [`encode`]'s output.
pub(super) fn encoded_len(account: &Account) -> usize {
    let mut counter = Counter(0);
    // The counter takes everything.
    let _ = write(account, &mut Encoder::new(&mut counter));
    counter.0
}

/// Fills `out`, which is [`encoded_len`] bytes long.
pub(super) fn encode(account: &Account, out: &mut [u8]) -> Result<(), Error<EndOfSlice>> {
    write(account, &mut Encoder::new(out))
}

struct Counter(usize);

impl Write for Counter {
    type Error = core::convert::Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0 += bytes.len();
        Ok(())
    }
}

type Out<W> = Result<(), Error<<W as Write>::Error>>;

/// What is written once, and named by its place: the policies and addresses of flows, browsers and notices.
struct Tables<'a> {
    addresses: Vec<&'a EmailAddress>,
    policies: Vec<&'a Policy>,
}

impl<'a> Tables<'a> {
    fn of(account: &'a Account) -> Self {
        let mut tables = Self { addresses: Vec::new(), policies: Vec::new() };
        for flow in &account.flows {
            add(&mut tables.policies, &flow.policy);
            let proved = flow.evidence.email_code.as_ref().map(|(address, _)| address);
            for address in flow.contact.address().into_iter().chain(proved) {
                add(&mut tables.addresses, address);
            }
        }
        for browser in &account.browsers.trusted {
            add(&mut tables.policies, &browser.policy);
        }
        for owed in &account.owed.notices {
            add(&mut tables.addresses, &owed.notice.to);
        }
        tables
    }

    fn address<W: Write>(&self, e: &mut Encoder<W>, address: &EmailAddress) -> Out<W> {
        e.u64(place(&self.addresses, address))?.ok()
    }

    fn policy<W: Write>(&self, e: &mut Encoder<W>, policy: &Policy) -> Out<W> {
        e.u64(place(&self.policies, policy))?.ok()
    }
}

fn add<'a, T: PartialEq>(table: &mut Vec<&'a T>, value: &'a T) {
    if !table.contains(&value) {
        table.push(value);
    }
}

fn place<T: PartialEq>(table: &[&T], value: &T) -> u64 {
    // The table has every value of the account.
    table.iter().position(|known| *known == value).map_or(u64::MAX, |place| place as u64)
}

fn write<W: Write>(account: &Account, e: &mut Encoder<W>) -> Out<W> {
    let Account {
        address_change,
        browsers,
        devices,
        email_failures,
        epoch,
        erased,
        ever_had_factor,
        exemption: excused,
        external: registered,
        failures,
        flows,
        grace: period,
        issues,
        last_device,
        owed,
        pending_recovery: unconfirmed,
        recovery: active,
        row: current,
        stale_row,
        tail,
        ticket,
    } = account;
    let tables = &Tables::of(account);
    e.array(23)?.u64(*epoch)?.bool(*erased)?.bool(*ever_had_factor)?.u64(*last_device)?.u32(*email_failures)?;
    e.array(3)?.u32(failures.spent)?.u32(failures.locks)?;
    optional(e, failures.locked_at, time)?;
    e.array(2)?.array(issues.times.len() as u64)?;
    for at in &issues.times {
        time(e, *at)?;
    }
    e.bool(issues.undelivered)?;
    optional(e, ticket.as_ref(), |e, StoredTicket { digest: stored, expires_at }| {
        e.array(2)?;
        digest(e, stored)?;
        time(e, *expires_at)
    })?;
    e.array(devices.len() as u64)?;
    for held in devices {
        device(e, held)?;
    }
    e.array(tables.addresses.len() as u64)?;
    for address in &tables.addresses {
        e.str(address.as_str())?;
    }
    e.array(tables.policies.len() as u64)?;
    for policy in &tables.policies {
        policy.encode(e)?;
    }
    e.array(flows.len() as u64)?;
    for open in flows {
        flow(e, open, tables)?;
    }
    optional(e, active.as_ref(), recovery)?;
    optional(e, unconfirmed.as_ref(), |e, PendingRecovery { attempts, expires_at, set }| {
        e.array(3)?;
        recovery(e, set)?;
        time(e, *expires_at)?;
        e.u32(*attempts)?.ok()
    })?;
    let Browsers { last_id, trusted } = browsers;
    e.array(2)?.u64(*last_id)?.array(trusted.len() as u64)?;
    for held in trusted {
        browser(e, held, tables)?;
    }
    grace(e, period)?;
    optional(e, excused.as_ref(), exemption)?;
    e.array(registered.len() as u64)?;
    for held in registered {
        external(e, held)?;
    }
    optional(e, *address_change, time)?;
    optional(e, current.as_ref(), row)?;
    optional(e, stale_row.as_ref(), |e, (stale, until)| {
        e.array(2)?;
        row(e, stale)?;
        time(e, *until)
    })?;
    e.array(2)?.u64(owed.last)?.array(owed.notices.len() as u64)?;
    for notice in &owed.notices {
        owed_notice(e, notice, tables)?;
    }
    e.array(2)?.u64(tail.last)?.array(tail.events.len() as u64)?;
    for (at, kind) in &tail.events {
        e.array(2)?;
        time(e, *at)?;
        kind.encode(e)?;
    }
    Ok(())
}

fn row<W: Write>(e: &mut Encoder<W>, row: &RowDigest) -> Out<W> {
    let RowDigest { key, credential, address } = row;
    e.array(3)?.bytes(&key.0)?.bytes(credential)?.bytes(address)?.ok()
}

fn owed_notice<W: Write>(e: &mut Encoder<W>, owed: &OwedNotice, tables: &Tables<'_>) -> Out<W> {
    let OwedNotice { number, notice: OutgoingNotice { to, notice, name, replaced }, tried_at, failed } = owed;
    e.array(7)?.u64(*number)?;
    time(e, *tried_at)?;
    e.bool(*failed)?;
    tables.address(e, to)?;
    kind(e, notice)?;
    for name in [name, replaced] {
        optional(e, name.as_ref(), |e, name| e.str(name)?.ok())?;
    }
    Ok(())
}

fn kind<W: Write>(e: &mut Encoder<W>, notice: &Notice) -> Out<W> {
    match notice {
        Notice::AddressChangePermitted => e.u8(0)?.ok(),
        Notice::BrowserTokenReused => e.u8(1)?.ok(),
        Notice::BrowserTrusted => e.u8(2)?.ok(),
        Notice::DeviceAdded => e.u8(3)?.ok(),
        Notice::DeviceRemoved => e.u8(4)?.ok(),
        Notice::DeviceReplaced => e.u8(5)?.ok(),
        Notice::FactorsReset => e.u8(6)?.ok(),
        Notice::RecoveryCodesRenewed => e.u8(7)?.ok(),
        Notice::FactorAdded { factor } => factor.encode(e.array(2)?.u8(8)?),
        Notice::FactorRemoved { factor } => factor.encode(e.array(2)?.u8(9)?),
        Notice::Locked { lasts } => e.array(2)?.u8(10)?.u64(lasts.as_secs())?.ok(),
        Notice::RecoveryCodeUsed { left } => e.array(2)?.u8(11)?.u32(*left)?.ok(),
    }
}

fn grace<W: Write>(e: &mut Encoder<W>, grace: &Grace) -> Out<W> {
    match *grace {
        Grace::NotStarted => e.null()?.ok(),
        Grace::Started { at, until } => {
            e.array(2)?;
            time(e, at)?;
            time(e, until)
        }
    }
}

fn exemption<W: Write>(e: &mut Encoder<W>, exemption: &Exemption) -> Out<W> {
    e.array(4)?.str(exemption.granted_by())?.str(exemption.reason())?;
    time(e, exemption.since())?;
    time(e, exemption.until())
}

fn external<W: Write>(e: &mut Encoder<W>, held: &RegisteredFactor) -> Out<W> {
    let RegisteredFactor { added_at, factor, failures, last_used_at } = held;
    e.array(4)?;
    factor.encode(e)?;
    time(e, *added_at)?;
    optional(e, *last_used_at, time)?;
    e.u32(*failures)?.ok()
}

fn recovery<W: Write>(e: &mut Encoder<W>, set: &RecoverySet) -> Out<W> {
    let RecoverySet { codes, failures, imported, key, since } = set;
    e.array(5)?.bytes(&key.0)?;
    time(e, *since)?;
    e.u32(*failures)?.array(codes.len() as u64)?;
    for StoredRecoveryCode { tag, used } in codes {
        e.array(2)?.bytes(tag)?.bool(*used)?;
    }
    optional(e, imported.as_ref(), |e, hashes| {
        e.array(hashes.len() as u64)?;
        for hash in hashes {
            e.str(hash.expose_secret())?;
        }
        Ok(())
    })
}

fn browser<W: Write>(e: &mut Encoder<W>, browser: &TrustedBrowser, tables: &Tables<'_>) -> Out<W> {
    let TrustedBrowser { id, last_used_at, name, policy, replaced, row: of_row, series, since, token, until } = browser;
    e.array(10)?.u64(id.get())?.str(name.as_str())?;
    time(e, *since)?;
    time(e, *until)?;
    optional(e, *last_used_at, time)?;
    tables.policy(e, policy)?;
    row(e, of_row)?;
    digest(e, series)?;
    digest(e, token)?;
    optional(e, replaced.as_ref(), |e, (tag, at)| {
        e.array(2)?;
        digest(e, tag)?;
        time(e, *at)
    })
}

fn device<W: Write>(e: &mut Encoder<W>, device: &Device) -> Out<W> {
    let Device { added_at, failures, id, last_step, last_used_at, name, secret, totp: settings } = device;
    e.array(8)?.u64(id.get())?.str(name.as_str())?;
    totp(e, settings)?;
    e.bytes(secret.expose_secret())?.u64(last_step.get())?.u32(*failures)?;
    time(e, *added_at)?;
    optional(e, *last_used_at, time)
}

fn flow<W: Write>(e: &mut Encoder<W>, flow: &OpenFlow, tables: &Tables<'_>) -> Out<W> {
    let OpenFlow {
        begun_at,
        code,
        contact: to,
        epoch,
        evidence: proved,
        expires_at,
        pending: waiting,
        policy,
        purpose,
        replaces,
        row: of_row,
        session,
        token,
    } = flow;
    e.array(13)?;
    digest(e, token)?;
    e.u8(match purpose {
        Purpose::Login => 0,
        Purpose::Registration => 1,
        Purpose::StepUp => 2,
        Purpose::Completion => 3,
    })?;
    e.u64(*epoch)?.u64(*session)?;
    row(e, of_row)?;
    time(e, *begun_at)?;
    time(e, *expires_at)?;
    contact(e, to, tables)?;
    tables.policy(e, policy)?;
    evidence(e, proved, tables)?;
    optional(e, code.as_ref(), issued)?;
    optional(e, waiting.as_ref(), pending)?;
    optional(e, *replaces, |e, device| e.u64(device.get())?.ok())
}

fn contact<W: Write>(e: &mut Encoder<W>, contact: &Contact, tables: &Tables<'_>) -> Out<W> {
    // Most accounts are listed by their address.
    let listed =
        Some(&contact.account).filter(|account| contact.address().map(AccountName::from).as_ref() != Some(account));
    optional(e.array(2)?, listed, |e, account| e.str(account.as_str())?.ok())?;
    optional(e, contact.email.as_ref(), |e, (address, standing)| {
        tables.address(e.array(3)?, address)?;
        e.bool(standing.verified)?.bool(standing.tainted)?.ok()
    })
}

fn evidence<W: Write>(e: &mut Encoder<W>, evidence: &Evidence, tables: &Tables<'_>) -> Out<W> {
    // Trust completes a whole login: no flow that stays open has it.
    let Evidence { app_code, email_code, external, recovery_code, registered, ticket, trusted_browser: _ } = evidence;
    e.array(6)?;
    for used in [app_code, registered] {
        optional(e, *used, |e, (device, at)| {
            e.array(2)?.u64(device.get())?;
            time(e, at)
        })?;
    }
    optional(e, email_code.as_ref(), |e, (address, at)| {
        tables.address(e.array(2)?, address)?;
        time(e, *at)
    })?;
    optional(e, *ticket, time)?;
    optional(e, *recovery_code, time)?;
    e.array(external.len() as u64)?;
    for checked in external {
        e.array(3)?;
        checked.factor().encode(e)?;
        time(e, checked.at())?;
        e.array(checked.methods().count() as u64)?;
        for method in checked.amr() {
            e.str(method)?;
        }
    }
    Ok(())
}

fn issued<W: Write>(e: &mut Encoder<W>, code: &IssuedCode) -> Out<W> {
    let IssuedCode { attempts, digest: tag, expires_at, sent_at, superseded } = code;
    e.array(5)?;
    digest(e, tag)?;
    optional(e, superseded.as_ref(), digest)?;
    optional(e, *sent_at, time)?;
    time(e, *expires_at)?;
    e.u32(*attempts)?.ok()
}

fn pending<W: Write>(e: &mut Encoder<W>, pending: &Pending) -> Out<W> {
    let Pending { attempts, expires_at, secret, totp: settings } = pending;
    e.array(4)?;
    totp(e, settings)?;
    e.bytes(secret.expose_secret())?;
    time(e, *expires_at)?;
    e.u32(*attempts)?.ok()
}

fn totp<W: Write>(e: &mut Encoder<W>, totp: &Totp) -> Out<W> {
    let algorithm = match totp.algorithm() {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    };
    e.array(4)?.u8(algorithm)?.u8(totp.digits().get())?.u64(totp.period_secs())?;
    time(e, totp.t0())
}

fn digest<W: Write>(e: &mut Encoder<W>, digest: &Digest) -> Out<W> {
    e.array(2)?.bytes(&digest.key.0)?.bytes(&digest.tag)?.ok()
}

fn time<W: Write>(e: &mut Encoder<W>, at: Timestamp) -> Out<W> {
    e.u64(at.as_secs())?.ok()
}

fn optional<W: Write, T>(
    e: &mut Encoder<W>,
    value: Option<T>,
    write: impl FnOnce(&mut Encoder<W>, T) -> Out<W>,
) -> Out<W> {
    match value {
        Some(value) => write(e, value),
        None => e.null()?.ok(),
    }
}
