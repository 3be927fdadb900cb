//! An account as CBOR: arrays in a fixed order, no names. All of it is read, within its bounds, or nothing.

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;
use core::time::Duration;

use minicbor::encode::{Error, Write};
use minicbor::{Decoder, Encoder};

use crate::account::{
    Account, Browsers, Device, Digest, FlowBrowser, IssuedCode, KnownBrowser, MAX_DEVICES, MAX_EXTERNAL, MAX_KNOWN,
    MAX_OWED, MAX_TRUSTED, OpenFlow, OutgoingNotice, Owed, OwedNotice, Pending, PendingRecovery, RecoverySet,
    RegisteredFactor, Replaced, StoredRecoveryCode, StoredTicket, Tail, Trust, WrongCodes,
};
use crate::audit::{EventKind, MAX_TAIL};
use crate::cbor::{Cbor, Out, array, arrays, items, list, variants};
use crate::flow::{Contact, Evidence, Purpose, RowDigest};
use crate::limits::{Each, IssuanceBudget, Issues, SharedBudget, Spent};
use crate::mail::Notice;
use crate::migrate::Import;
use crate::otp::{Algorithm, Digits, TimeStep, Totp};
use crate::otpauth::AccountName;
use crate::policy::{EmailStanding, Policy};
use crate::secret::SecretText;
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// The policies and addresses of an account. Each is written once, and named by its place elsewhere.
struct Tables<'a> {
    addresses: Vec<&'a EmailAddress>,
    policies: Vec<&'a Policy>,
}

const MAX_ADDRESSES: usize = 2 * Purpose::ALL_PLACES + MAX_OWED + MAX_TAIL;
const MAX_POLICIES: usize = Purpose::ALL_PLACES + MAX_TRUSTED;

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
        for trust in account.browsers.known.iter().filter_map(|browser| browser.trust.as_ref()) {
            add(&mut tables.policies, &trust.policy);
        }
        for owed in &account.owed.notices {
            add(&mut tables.addresses, &owed.notice.to);
        }
        for (_, event) in &account.tail.events {
            if let EventKind::EmailVerified { address } = event {
                add(&mut tables.addresses, address);
            }
        }
        tables
    }
}

fn add<'a, T: PartialEq>(table: &mut Vec<&'a T>, value: &'a T) {
    if !table.contains(&value) {
        table.push(value);
    }
}

pub(super) fn write<W: Write>(account: &Account, e: &mut Encoder<W>) -> Result<(), Error<W::Error>> {
    let tables = Tables::of(account);
    list(e.array(3)?, tables.addresses.iter().copied(), &())?;
    list(e, tables.policies.iter().copied(), &())?;
    account.write(e, &tables)
}

/// Reads the plaintext of a record.
pub(super) fn read(bytes: &[u8]) -> Option<Account> {
    let d = &mut Decoder::new(bytes);
    array(d, 3)?;
    let (addresses, policies) = (read_table(d, MAX_ADDRESSES)?, read_table(d, MAX_POLICIES)?);
    let tables = Tables { addresses: addresses.iter().collect(), policies: policies.iter().collect() };
    Account::read(d, &tables).filter(|_| d.position() == bytes.len())
}

fn read_table<T: Cbor>(d: &mut Decoder<'_>, most: usize) -> Option<Vec<T>> {
    let len = usize::try_from(d.array().ok()??).ok().filter(|len| *len <= most)?;
    (0..len).map(|_| T::read(d, &())).collect()
}

macro_rules! in_table {
    ($($type:ty: $table:ident;)+) => {$(
        impl Cbor<Tables<'_>> for $type {
            fn write<W: Write>(&self, e: &mut Encoder<W>, tables: &Tables<'_>) -> Out<W> {
                // The table has every value of the account.
                let place = tables.$table.iter().position(|known| *known == self);
                e.u64(place.map_or(u64::MAX, |place| place as u64))?.ok()
            }

            fn read(d: &mut Decoder<'_>, tables: &Tables<'_>) -> Option<Self> {
                tables.$table.get(usize::try_from(d.u64().ok()?).ok()?).copied().cloned()
            }
        }
    )+};
}

in_table! {
    EmailAddress: addresses;
    Policy: policies;
}

arrays! { for Tables<'_>:
    Account {
        epoch, erased, ever_had_factor, last_device, email_failures, shared, granted_at, issues, ticket, devices, flows,
        recovery, pending_recovery, browsers, grace, exemption, external, address_change, row, stale_row, owed, tail,
    }
    Browsers { last_id, known }
    Device[MAX_DEVICES] { id, name, totp, secret, last_step, failures, added_at, last_used_at }
    Digest { key, tag }
    EmailStanding { verified, tainted }
    Evidence { app_code, registered, email_code, ticket, recovery_code, external, trusted_browser }
    FlowBrowser { id, tag }
    KnownBrowser[MAX_KNOWN] { id, proved, token, replaced, wrong, session, used_at, sent, trust }
    IssuedCode { digest, superseded, sent_at, expires_at, attempts }
    OpenFlow[Purpose::ALL_PLACES] {
        token, purpose, epoch, session, row, begun_at, expires_at, contact, policy, evidence, code, pending, replaces,
        browser, known, proved, spent, wrong_app_codes,
    }
    OutgoingNotice { to, notice, name, replaced }
    Owed { last, notices }
    OwedNotice[MAX_OWED] { number, tried_at, failed, notice }
    Pending { totp, secret, expires_at, attempts }
    PendingRecovery { set, expires_at, attempts }
    RecoverySet { key, since, failures, codes, imported }
    RegisteredFactor[MAX_EXTERNAL] { factor, added_at, last_used_at, failures }
    Replaced { token, at, wrong }
    RowDigest { key, credential, address }
    SharedBudget { spent, since, streak, locks, locked_at, paid_back, paying_since }
    Spent { units, codes }
    StoredRecoveryCode[Import::MAX_RECOVERY_CODES] { half, tag, used }
    StoredTicket { digest, expires_at }
    Tail { last, events }
    Trust { name, since, until, last_used_at, policy, row, series }
    WrongCodes { count, last_at }
}

items! {
    AccountName as &str: Self::as_str, |name| Self::new(name).ok();
    SecretText[Import::MAX_RECOVERY_CODES] as &str: Self::expose_secret,
        |hash| (hash.len() <= Import::MAX_HASH_LEN).then(|| Self::new(hash.to_owned()));
    TimeStep as u64: |step| step.get(), |step| Some(Self::new(step));
    Totp as (u8, u8, u64, u64):
        |totp| (number(totp.algorithm()), totp.digits().get(), totp.period_secs(), totp.t0().as_secs()),
        |(algorithm, digits, period, t0)| {
            let algorithm = ALGORITHMS.into_iter().find(|known| number(*known) == algorithm)?;
            let builder = Self::builder().algorithm(algorithm).digits(Digits::new(digits).ok()?);
            builder.period_secs(period).t0(Timestamp::from_secs(t0)).build().ok()
        };
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

fn number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    }
}

variants! { C in Purpose, up to 0;
    Login = 0;
    Registration = 1;
    StepUp = 2;
    Completion = 3;
}

variants! { C in Notice, up to 0;
    AddressChangePermitted = 0;
    BrowserTokenReused = 1;
    BrowserTrusted = 2;
    DeviceAdded = 3;
    DeviceRemoved = 4;
    DeviceReplaced = 5;
    FactorsReset = 6;
    RecoveryCodesRenewed = 7;
    FactorAdded = 8 { factor: factor };
    FactorRemoved = 9 { factor: factor };
    Locked = 10 { lasts: lasts };
    RecoveryCodeUsed = 11 { left: left };
    NewBrowsersBlocked = 12;
    Unblocked = 13;
}

/// What is as in a new account is not written.
impl<'a, T: Cbor<Tables<'a>> + Default + Copy + PartialEq> Cbor<Tables<'a>> for Each<T> {
    fn write<W: Write>(&self, e: &mut Encoder<W>, tables: &Tables<'a>) -> Out<W> {
        let changed = |value: &T| Some(*value).filter(|value| *value != T::default());
        e.array(4)?;
        [&self.app, &self.email, &self.external, &self.recovery]
            .into_iter()
            .try_for_each(|value| changed(value).write(e, tables))
    }

    fn read(d: &mut Decoder<'_>, tables: &Tables<'a>) -> Option<Self> {
        array(d, 4)?;
        let mut value = || Some(Option::<T>::read(d, tables)?.unwrap_or_default());
        Some(Self { app: value()?, email: value()?, external: value()?, recovery: value()? })
    }
}

impl<C> Cbor<C> for Duration {
    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        self.as_secs().write(e, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        Cbor::read(d, cx).map(Self::from_secs)
    }
}

/// Most accounts are named by their address: then the name is not written.
impl Cbor<Tables<'_>> for Contact {
    fn write<W: Write>(&self, e: &mut Encoder<W>, tables: &Tables<'_>) -> Out<W> {
        let by_address = self.address().map(AccountName::from);
        let account = Some(&self.account).filter(|account| by_address.as_ref() != Some(account)).cloned();
        account.write(e.array(2)?, tables)?;
        self.email.write(e, tables)
    }

    fn read(d: &mut Decoder<'_>, tables: &Tables<'_>) -> Option<Self> {
        array(d, 2)?;
        let (account, email): (Option<AccountName>, Option<(EmailAddress, _)>) =
            (Cbor::read(d, tables)?, Cbor::read(d, tables)?);
        let account = account.or_else(|| email.as_ref().map(|(address, _)| AccountName::from(address)))?;
        Some(Self { account, email })
    }
}

/// As many times are kept as mails can be sent in an hour.
impl Cbor<Tables<'_>> for Issues {
    fn write<W: Write>(&self, e: &mut Encoder<W>, tables: &Tables<'_>) -> Out<W> {
        list(e.array(2)?, &self.times, tables)?;
        self.undelivered.write(e, tables)
    }

    fn read(d: &mut Decoder<'_>, tables: &Tables<'_>) -> Option<Self> {
        array(d, 2)?;
        let times = read_table(d, IssuanceBudget::MAX_PER_HOUR as usize)?;
        Some(Self { times, undelivered: Cbor::read(d, tables)? })
    }
}
