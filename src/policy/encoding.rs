//! A policy in few bytes, for a record that remembers the policy a login began with.
//!
//! A policy of apps and e-mail codes without a grace period is one number, as it always was. Any other is an array:
//!
//! ```text
//! [ settings, grace days or 0, [ factor: [strength, name].. ], channels, [ clause.. ], [ stand-in.. ] ]
//! ```
//!
//! where a set of channels is `[ app and e-mail as bits, place of a factor in the list.. ]`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::encode::write::Write;
use minicbor::encode::{self, Encoder};

use super::{Channel, ChannelSet, ExternalFactor, FirstRegistration, GraceDays, Policy, Step, Strength};

// Bits 0 to 3: one for each set of app and e-mail that can be a clause; the empty one cannot, and bit 0 is never set.
const CHANNELS: u32 = 4;
const FIRST_REGISTRATION: u32 = 6;
const EMAIL_FALLBACK: u32 = 8;
// A period without an end that was written down, which no engine has ever granted. It is read as none.
const ENDLESS_GRACE: u32 = 9;
const TRUSTED_BROWSERS: u32 = 10;

impl Step {
    pub(crate) fn encode<W: Write>(self, e: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
        e.u8(match self {
            Self::External(factor) => return factor.encode(e),
            Self::AppCode => 0,
            Self::RecoveryCode => 1,
            Self::EmailCode => 2,
            Self::VerifyEmail => 3,
            Self::Ticket => 4,
            Self::EnrollApp => 5,
        })?
        .ok()
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Option<Self> {
        if d.datatype().ok()? == Type::Array {
            return ExternalFactor::decode(d).map(Self::External);
        }
        Some(match d.u8().ok()? {
            0 => Self::AppCode,
            1 => Self::RecoveryCode,
            2 => Self::EmailCode,
            3 => Self::VerifyEmail,
            4 => Self::Ticket,
            5 => Self::EnrollApp,
            _ => return None,
        })
    }
}

impl Policy {
    /// Writes the policy so that it never means another one, now or later.
    pub(crate) fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
        if let Some(bits) = self.to_bits() {
            return e.u32(bits)?.ok();
        }
        let factors: BTreeSet<ExternalFactor> = self.factors().collect();
        e.array(6)?.u32(self.settings())?.u8(self.grace.map_or(0, GraceDays::get))?.array(factors.len() as u64)?;
        for factor in &factors {
            factor.encode(e)?;
        }
        set(e, &self.channels, &factors)?;
        e.array(self.clauses.len() as u64)?;
        for clause in &self.clauses {
            set(e, clause, &factors)?;
        }
        places(e.array(self.stand_ins.len() as u64)?, &self.stand_ins, &factors)
    }

    /// The policy that [`Policy::encode`] has written; `None` if it has not.
    pub(crate) fn decode(d: &mut Decoder<'_>) -> Option<Self> {
        if d.datatype().ok()? != Type::Array {
            return Self::from_bits(d.u32().ok()?);
        }
        if d.array().ok()? != Some(6) {
            return None;
        }
        let settings = d.u32().ok()?;
        let grace = match d.u8().ok()? {
            0 => None,
            days => Some(GraceDays::new(days).ok()?),
        };
        let factors: Vec<ExternalFactor> = list(d, ExternalFactor::decode)?;
        let read = Self {
            grace,
            channels: read_set(d, &factors)?,
            clauses: list(d, |d| read_set(d, &factors))?.into_iter().collect(),
            stand_ins: list(d, |d| place(d, &factors))?.into_iter().collect(),
            ..Self::from_settings(settings)?
        };
        (read.settings() == settings && read.can_be_made()).then_some(read)
    }

    /// The policy as one number, if it is one of apps and e-mail codes without a grace period.
    fn to_bits(&self) -> Option<u32> {
        let simple = self.grace.is_none() && self.factors().next().is_none();
        let clauses = self.clauses.iter().fold(0, |bits, clause| bits | 1 << clause.built_in());
        simple.then(|| clauses | u32::from(self.channels.built_in()) << CHANNELS | self.settings())
    }

    fn from_bits(bits: u32) -> Option<Self> {
        let set = |bits: u32| ChannelSet::from_parts(u8::try_from(bits).ok()?, BTreeSet::new());
        let read = Self {
            channels: set(bits >> CHANNELS & 0b11)?,
            clauses: (0..4).filter(|clause| bits >> clause & 1 == 1).filter_map(set).collect(),
            ..Self::from_settings(bits)?
        };
        (read.to_bits()? == bits & !(1 << ENDLESS_GRACE) && read.can_be_made()).then_some(read)
    }

    fn settings(&self) -> u32 {
        let first = match self.first_registration {
            FirstRegistration::AfterPassword => 0,
            FirstRegistration::AfterEmailCode => 1,
            FirstRegistration::WithTicket => 2,
        };
        first << FIRST_REGISTRATION
            | u32::from(self.email_fallback) << EMAIL_FALLBACK
            | u32::from(self.trusted_browsers) << TRUSTED_BROWSERS
    }

    /// What enforces nothing, with these settings.
    fn from_settings(bits: u32) -> Option<Self> {
        let is_set = |bit: u32| bits >> bit & 1 == 1;
        let first = match bits >> FIRST_REGISTRATION & 0b11 {
            0 => FirstRegistration::AfterPassword,
            1 => FirstRegistration::AfterEmailCode,
            2 => FirstRegistration::WithTicket,
            _ => return None,
        };
        let (email_fallback, trusted_browsers) = (is_set(EMAIL_FALLBACK), is_set(TRUSTED_BROWSERS));
        Some(Self { email_fallback, trusted_browsers, ..Self::off(first) })
    }

    fn factors(&self) -> impl Iterator<Item = ExternalFactor> + '_ {
        // A clause holds no factor that is not enabled.
        self.channels.external().iter().chain(&self.stand_ins).copied()
    }

    /// Whether the constructors and [`Policy::strictest`] can make this policy.
    fn can_be_made(&self) -> bool {
        let alone = |clause: &&ChannelSet| clause.len() == 1;
        let singles = self.clauses.iter().filter(alone).count();
        let clause_can_be_made = |clause: &ChannelSet| {
            let yields = clause.iter().any(Channel::yields_to_app);
            match clause.len() {
                0 => false,
                // One that an app would answer as well is asked for by itself only where each of several is.
                1 => clause.contains(Channel::App) || !yields || singles > 1,
                _ => clause.contains(Channel::App) || !yields,
            }
        };
        let app: ChannelSet = [Channel::App].into();
        let clauses = self.clauses.iter().fold(ChannelSet::default(), |all, clause| all.union(clause));
        // The app may be in a clause only because it is the stronger answer, and anything else is enabled.
        let enabled = self.channels == clauses
            || (self.channels.with(Channel::App) == clauses && !self.clauses.contains(&app) && clauses.len() > 1);
        self.clauses.iter().all(clause_can_be_made)
            && enabled
            && (!self.email_fallback || self.channels.contains(Channel::Email))
            && !self.stand_ins.iter().any(|factor| Channel::External(*factor).yields_to_app())
    }
}

impl ExternalFactor {
    pub(crate) fn encode<W: Write>(&self, e: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
        let strength = match self.strength() {
            Strength::Possession => 0,
            Strength::PhishingResistant => 1,
        };
        e.array(2)?.u8(strength)?.str(self.name())?.ok()
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Option<Self> {
        if d.array().ok()? != Some(2) {
            return None;
        }
        let strength = match d.u8().ok()? {
            0 => Strength::Possession,
            1 => Strength::PhishingResistant,
            _ => return None,
        };
        Self::new(strength, d.str().ok()?).ok()
    }
}

fn set<W: Write>(
    e: &mut Encoder<W>,
    set: &ChannelSet,
    factors: &BTreeSet<ExternalFactor>,
) -> Result<(), encode::Error<W::Error>> {
    places(e.array(1 + set.external().len() as u64)?.u8(set.built_in())?, set.external(), factors)
}

/// The places of `these` in the list of all `factors`.
fn places<W: Write>(
    e: &mut Encoder<W>,
    these: &BTreeSet<ExternalFactor>,
    factors: &BTreeSet<ExternalFactor>,
) -> Result<(), encode::Error<W::Error>> {
    for place in factors.iter().enumerate().filter_map(|(place, factor)| these.contains(factor).then_some(place)) {
        e.u64(place as u64)?;
    }
    Ok(())
}

fn read_set(d: &mut Decoder<'_>, factors: &[ExternalFactor]) -> Option<ChannelSet> {
    let len = d.array().ok()??.checked_sub(1)?;
    let built_in = d.u8().ok()?;
    let external = (0..len).map(|_| place(d, factors)).collect::<Option<_>>()?;
    ChannelSet::from_parts(built_in, external)
}

fn place(d: &mut Decoder<'_>, factors: &[ExternalFactor]) -> Option<ExternalFactor> {
    factors.get(usize::try_from(d.u64().ok()?).ok()?).copied()
}

/// A list of whatever length: each of its items takes a byte at least, and the record is bounded.
fn list<'b, T>(d: &mut Decoder<'b>, mut read: impl FnMut(&mut Decoder<'b>) -> Option<T>) -> Option<Vec<T>> {
    (0..d.array().ok()??).map(|_| read(d)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Channel::{App, Email, External};

    fn written(policy: &Policy) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        policy.encode(&mut e).unwrap();
        e.into_writer()
    }

    fn read(bytes: &[u8]) -> Option<Policy> {
        let d = &mut Decoder::new(bytes);
        Policy::decode(d).filter(|_| d.position() == bytes.len())
    }

    /// All 48 policies of apps and e-mail codes that the constructors can make, without grace.
    fn simple_policies() -> Vec<Policy> {
        use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};
        [AfterPassword, AfterEmailCode, WithTicket]
            .into_iter()
            .flat_map(|first| {
                [
                    Policy::off(first),
                    Policy::any_of([Email], first).unwrap(),
                    Policy::any_of([App, Email], first).unwrap(),
                    Policy::any_of([App], first).unwrap(),
                    Policy::all_of([App, Email], first).unwrap(),
                ]
            })
            .flat_map(|p| [Some(p.clone()), p.with_email_fallback().ok()].into_iter().flatten())
            .flat_map(|p| [p.clone(), p.with_trusted_browsers()])
            .collect()
    }

    #[test]
    fn every_policy_and_every_merge_comes_back_and_nothing_else_is_read() {
        let simple = simple_policies();
        assert_eq!(simple.len(), 48);
        let mut numbers = BTreeSet::new();
        for p in &simple {
            for q in &simple {
                let merged = Policy::strictest(p, [q]);
                // A merge of which only one part allows the fallback can be given it afterwards.
                let given = merged.clone().with_email_fallback().ok();
                for policy in [Some(merged), given].into_iter().flatten() {
                    assert_eq!(Policy::from_bits(policy.to_bits().unwrap()).as_ref(), Some(&policy));
                    assert_eq!(read(&written(&policy)).as_ref(), Some(&policy));
                    numbers.insert(policy.to_bits().unwrap());
                }
            }
            assert!(numbers.contains(&p.to_bits().unwrap()), "{p:?} merged with itself is itself");
        }
        assert_eq!(numbers.len(), 72);
        let readable: BTreeSet<u32> = (0..1 << 16).filter(|&bits| Policy::from_bits(bits).is_some()).collect();
        let grace = 1 << ENDLESS_GRACE;
        let with_old: BTreeSet<u32> = numbers.iter().flat_map(|bits| [*bits, bits | grace]).collect();
        assert_eq!(readable, with_old, "merging a third policy brings nothing new, so two are enough to say so");
        for bits in &numbers {
            assert_eq!(Policy::from_bits(bits | grace), Policy::from_bits(*bits));
            assert!((11..32).all(|high| Policy::from_bits(bits | 1 << high).is_none()));
            for p in &simple {
                let merged = Policy::strictest(&Policy::from_bits(*bits).unwrap(), [p]);
                assert!(numbers.contains(&merged.to_bits().unwrap()));
            }
        }
    }

    #[test]
    fn the_numbers_are_fixed_for_records_outlive_the_program() {
        use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};
        let all = Policy::all_of([App, Email], WithTicket).unwrap().with_email_fallback().unwrap();
        for (policy, number) in [
            (Policy::off(AfterPassword), 0),
            (Policy::any_of([Email], AfterPassword).unwrap(), 0b000_0010_1000),
            (Policy::any_of([App], AfterEmailCode).unwrap(), 0b000_0101_0010),
            (Policy::any_of([App, Email], AfterEmailCode).unwrap(), 0b000_0111_1000),
            (all.with_trusted_browsers(), 0b101_1011_0110),
        ] {
            let mut old = Encoder::new(Vec::new());
            old.u32(number).unwrap();
            assert_eq!(written(&policy), old.into_writer());
            assert_eq!(Policy::from_bits(number | 1 << ENDLESS_GRACE), Some(policy));
        }
    }

    /// Policies with a factor of the host in each place, and their merges.
    fn external_policies() -> Vec<Policy> {
        let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
        let push = ExternalFactor::possession("push").unwrap();
        let first = FirstRegistration::AfterEmailCode;
        let every = [App, Email, External(passkey), External(push)];
        let chosen = (1..16).map(|bits| every.into_iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1));
        chosen
            .flat_map(|set| {
                [Policy::any_of, Policy::all_of].map(|of| of(set.clone().map(|(_, c)| c).collect::<Vec<_>>(), first))
            })
            .map(Result::unwrap)
            .chain([Policy::off(first)])
            .flat_map(|p| {
                [p.clone(), p.clone().with_stand_in(passkey).unwrap(), p.with_grace(GraceDays::new(90).unwrap())]
            })
            .collect()
    }

    #[test]
    fn policies_with_factors_of_the_host_come_back_and_so_do_their_merges() {
        let policies = external_policies();
        let mut seen = BTreeSet::new();
        for p in &policies {
            for q in &policies {
                let merged = Policy::strictest(p, [q]);
                let bytes = written(&merged);
                assert_eq!(read(&bytes), Some(merged));
                seen.insert(bytes);
            }
        }
        assert!(seen.len() > 200, "{}", seen.len());
    }

    #[test]
    fn the_bytes_of_the_array_are_fixed_too() {
        let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
        let policy = Policy::any_of([App, External(passkey)], FirstRegistration::WithTicket).unwrap();
        let policy = policy.with_stand_in(passkey).unwrap().with_grace(GraceDays::new(14).unwrap());
        let mut expected = Encoder::new(Vec::new());
        expected.array(6).unwrap().u32(0b000_1000_0000).unwrap().u8(14).unwrap();
        expected.array(1).unwrap().array(2).unwrap().u8(1).unwrap().str("passkey").unwrap();
        expected.array(2).unwrap().u8(1).unwrap().u8(0).unwrap();
        expected.array(1).unwrap().array(2).unwrap().u8(1).unwrap().u8(0).unwrap();
        expected.array(1).unwrap().u8(0).unwrap();
        assert_eq!(written(&policy), expected.into_writer());
    }

    #[test]
    fn what_no_policy_is_written_as_is_refused_and_nothing_panics() {
        for policy in external_policies() {
            let good = written(&policy);
            for len in 0..good.len() {
                assert_eq!(read(&good[..len]), None);
            }
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bytes = good.clone();
                    bytes[at] ^= 1 << bit;
                    if let Some(other) = read(&bytes) {
                        assert!(other.can_be_made());
                    }
                }
            }
        }
        // A list that says it is endless.
        assert_eq!(read(&[0x86, 0, 0, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
