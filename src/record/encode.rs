//! An account as CBOR: arrays in a fixed order, no names.

use minicbor::Encoder;
use minicbor::encode::Error;
use minicbor::encode::write::{EndOfSlice, Write};

use crate::account::{
    Account, Browsers, Device, Digest, HeldFactor, IssuedCode, OpenFlow, Pending, PendingRecovery, RecoverySet,
    StoredRecoveryCode, StoredTicket, TrustedBrowser,
};
use crate::login::{Contact, Evidence, Purpose};
use crate::otp::{Algorithm, Totp};
use crate::policy::{Exemption, Grace};
use crate::time::Timestamp;

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

fn write<W: Write>(account: &Account, e: &mut Encoder<W>) -> Out<W> {
    let Account {
        browsers,
        devices,
        email_failures,
        epoch,
        ever_held_factor,
        exemption: excused,
        external: of_host,
        failures,
        flows,
        grace: period,
        issues,
        last_device,
        pending_recovery: unconfirmed,
        recovery: in_force,
        ticket,
    } = account;
    e.array(15)?.u64(*epoch)?.bool(*ever_held_factor)?.u64(*last_device)?.u32(*email_failures)?;
    e.array(3)?.u32(failures.spent)?.u32(failures.locks)?;
    optional(e, failures.locked_until, time)?;
    e.array(2)?.array(issues.times.len() as u64)?;
    for at in &issues.times {
        time(e, *at)?;
    }
    optional(e, issues.paused_until, time)?;
    optional(e, ticket.as_ref(), |e, StoredTicket { digest: stored, expires_at }| {
        e.array(2)?;
        digest(e, stored)?;
        time(e, *expires_at)
    })?;
    e.array(devices.len() as u64)?;
    for held in devices {
        device(e, held)?;
    }
    e.array(flows.len() as u64)?;
    for open in flows {
        flow(e, open)?;
    }
    optional(e, in_force.as_ref(), recovery)?;
    optional(e, unconfirmed.as_ref(), |e, PendingRecovery { attempts, expires_at, set }| {
        e.array(3)?;
        recovery(e, set)?;
        time(e, *expires_at)?;
        e.u32(*attempts)?.ok()
    })?;
    let Browsers { last_id, trusted } = browsers;
    e.array(2)?.u64(*last_id)?.array(trusted.len() as u64)?;
    for held in trusted {
        browser(e, held)?;
    }
    grace(e, period)?;
    optional(e, excused.as_ref(), exemption)?;
    e.array(of_host.len() as u64)?;
    for held in of_host {
        external(e, held)?;
    }
    Ok(())
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

fn external<W: Write>(e: &mut Encoder<W>, held: &HeldFactor) -> Out<W> {
    let HeldFactor { added_at, factor, failures, last_used_at } = held;
    e.array(4)?;
    factor.encode(e)?;
    time(e, *added_at)?;
    optional(e, *last_used_at, time)?;
    e.u32(*failures)?.ok()
}

fn recovery<W: Write>(e: &mut Encoder<W>, set: &RecoverySet) -> Out<W> {
    let RecoverySet { codes, failures, imported, key } = set;
    e.array(4)?.bytes(&key.0)?.u32(*failures)?.array(codes.len() as u64)?;
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

fn browser<W: Write>(e: &mut Encoder<W>, browser: &TrustedBrowser) -> Out<W> {
    let TrustedBrowser { id, last_used_at, name, policy, replaced, series, since, token, until } = browser;
    e.array(9)?.u64(id.get())?.str(name.as_str())?;
    time(e, *since)?;
    time(e, *until)?;
    optional(e, *last_used_at, time)?;
    policy.encode(e)?;
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

fn flow<W: Write>(e: &mut Encoder<W>, flow: &OpenFlow) -> Out<W> {
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
        token,
    } = flow;
    e.array(11)?;
    digest(e, token)?;
    e.u8(match purpose {
        Purpose::Login => 0,
        Purpose::Registration => 1,
        Purpose::StepUp => 2,
    })?;
    e.u64(*epoch)?;
    time(e, *begun_at)?;
    time(e, *expires_at)?;
    contact(e, to)?;
    policy.encode(e)?;
    evidence(e, proved)?;
    optional(e, code.as_ref(), issued)?;
    optional(e, waiting.as_ref(), pending)?;
    optional(e, *replaces, |e, device| e.u64(device.get())?.ok())
}

fn contact<W: Write>(e: &mut Encoder<W>, contact: &Contact) -> Out<W> {
    e.array(2)?.str(contact.account.as_str())?;
    optional(e, contact.email.as_ref(), |e, (address, standing)| {
        e.array(3)?.str(address.as_str())?.bool(standing.verified)?.bool(standing.tainted)?.ok()
    })
}

fn evidence<W: Write>(e: &mut Encoder<W>, evidence: &Evidence) -> Out<W> {
    // Trust stands for a whole login: no flow that stays open has it.
    let Evidence { app_code, email_code, enrolled, ref external, recovery_code, ticket, trusted_browser: _ } =
        *evidence;
    e.array(6)?;
    for used in [app_code, enrolled] {
        optional(e, used, |e, (device, at)| {
            e.array(2)?.u64(device.get())?;
            time(e, at)
        })?;
    }
    optional(e, email_code, time)?;
    optional(e, ticket, time)?;
    optional(e, recovery_code, time)?;
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
    time(e, *sent_at)?;
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
