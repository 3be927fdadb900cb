//! A policy in few bytes, for a record that remembers the policy a login began with.
//!
//! ```text
//! [ settings, grace days or 0, [ factor: [strength, name].. ], channels, [ clause.. ], [ stand-in.. ] ]
//! ```
//!
//! A channel or stand-in that is an external factor is the place of the factor in the list. A set of channels is
//! `[ app and e-mail as bits, [ factor.. ] ]`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use minicbor::encode::Write;
use minicbor::{Decoder, Encoder};

use super::{
    AuthenticationMethod, Channel, ChannelSet, DenyReason, Exemption, ExternalEvidence, ExternalFactor,
    FirstRegistration, Grace, GraceDays, Policy, Step, Strength,
};
use crate::cbor::{Cbor, Out, array, items, list, variants};
use crate::time::Timestamp;

const EMAIL_FALLBACK: u8 = 4;
const TRUSTED_BROWSERS: u8 = 8;
const FIRST: [FirstRegistration; 3] =
    [FirstRegistration::AfterPassword, FirstRegistration::AfterEmailCode, FirstRegistration::WithTicket];
const STRENGTHS: [Strength; 2] = [Strength::Possession, Strength::PhishingResistant];

variants! { C in Step, up to 0;
    AppCode = 0;
    RecoveryCode = 1;
    EmailCode = 2;
    VerifyEmail = 3;
    Ticket = 4;
    EnrollApp = 5;
    External = 6 { 0: factor };
}

items! {
    AuthenticationMethod[Self::COUNT] as &str: |method| method.amr(), Self::from_amr;
    DenyReason as &str: |reason| reason.name(), |name| Self::ALL.into_iter().find(|reason| reason.name() == name);
    Exemption as (&str, &str, u64, u64):
        |exemption| (
            exemption.granted_by(), exemption.reason(), exemption.since().as_secs(), exemption.until().as_secs(),
        ),
        |(by, reason, from, until)| {
            Self::new(by, reason, Timestamp::from_secs(from), Timestamp::from_secs(until)).ok()
        };
    ExternalFactor[usize::MAX] as (u8, &str):
        |factor| (u8::from(factor.strength() == Strength::PhishingResistant), factor.name()),
        |(strength, name)| Self::new(*STRENGTHS.get(usize::from(strength))?, name).ok();
    Grace as Option<(u64, u64)>:
        |grace| match grace {
            Self::NotStarted => None,
            Self::Started { at, until } => Some((at.as_secs(), until.as_secs())),
        },
        |period| Some(period.map_or(Self::NotStarted, |(at, until)| Self::Started {
            at: Timestamp::from_secs(at),
            until: Timestamp::from_secs(until),
        }));
}

impl<C> Cbor<C> for ExternalEvidence {
    const MOST: usize = ExternalFactor::MAX_PER_USER;

    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &C) -> Out<W> {
        self.factor().write(e.array(3)?, cx)?;
        self.at().write(e, cx)?;
        self.methods().collect::<Vec<_>>().write(e, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &C) -> Option<Self> {
        array(d, 3)?;
        let (factor, at) = (Cbor::read(d, cx)?, Cbor::read(d, cx)?);
        Self::assertion(factor, Vec::<AuthenticationMethod>::read(d, cx)?, at).ok()
    }
}

impl Cbor for Policy {
    /// Writes the policy so that it never means another one, now or later.
    fn write<W: Write>(&self, e: &mut Encoder<W>, cx: &()) -> Out<W> {
        // A clause holds no factor that is not enabled.
        let factors: BTreeSet<_> = self.channels.external().iter().chain(&self.stand_ins).copied().collect();
        let factors = Factors(factors.into_iter().collect());
        e.array(6)?.u8(self.settings())?.u8(self.grace.map_or(0, GraceDays::get))?;
        factors.0.write(e, cx)?;
        self.channels.write(e, &factors)?;
        list(e, &self.clauses, &factors)?;
        places(&self.stand_ins, &factors).write(e, cx)
    }

    fn read(d: &mut Decoder<'_>, cx: &()) -> Option<Self> {
        array(d, 6)?;
        let settings = d.u8().ok()?;
        let grace = match d.u8().ok()? {
            0 => None,
            days => Some(GraceDays::new(days).ok()?),
        };
        let factors = Factors(Cbor::read(d, cx)?);
        let read = Self {
            clauses: BTreeSet::new(),
            channels: Cbor::read(d, &factors)?,
            email_fallback: settings & EMAIL_FALLBACK != 0,
            first_registration: *FIRST.get(usize::from(settings & 0b11))?,
            grace,
            stand_ins: BTreeSet::new(),
            trusted_browsers: settings & TRUSTED_BROWSERS != 0,
        };
        let clauses = Vec::<ChannelSet>::read(d, &factors)?.into_iter().collect();
        let read = Self { clauses, stand_ins: read_places(d, &factors)?, ..read };
        (read.settings() == settings && read.can_be_made()).then_some(read)
    }
}

impl Policy {
    fn settings(&self) -> u8 {
        let first = match self.first_registration {
            FirstRegistration::AfterPassword => 0,
            FirstRegistration::AfterEmailCode => 1,
            FirstRegistration::WithTicket => 2,
        };
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        first | flag(self.email_fallback, EMAIL_FALLBACK) | flag(self.trusted_browsers, TRUSTED_BROWSERS)
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

/// The external factors of one policy, in their order.
struct Factors(Vec<ExternalFactor>);

impl Cbor<Factors> for ChannelSet {
    // Each item takes a byte at least, and the record is bounded.
    const MOST: usize = usize::MAX;

    fn write<W: Write>(&self, e: &mut Encoder<W>, factors: &Factors) -> Out<W> {
        e.array(2)?.u8(self.built_in())?;
        places(self.external(), factors).write(e, &())
    }

    fn read(d: &mut Decoder<'_>, factors: &Factors) -> Option<Self> {
        array(d, 2)?;
        Self::from_parts(d.u8().ok()?, read_places(d, factors)?)
    }
}

/// The place of an external factor.
struct Place(u64);

items! {
    Place[usize::MAX] as u64: |place| place.0, |place| Some(Self(place));
}

fn places(these: &BTreeSet<ExternalFactor>, factors: &Factors) -> Vec<Place> {
    factors.0.iter().zip(0..).filter(|(factor, _)| these.contains(factor)).map(|(_, place)| Place(place)).collect()
}

fn read_places(d: &mut Decoder<'_>, factors: &Factors) -> Option<BTreeSet<ExternalFactor>> {
    let places = Vec::<Place>::read(d, &())?;
    places.into_iter().map(|Place(place)| factors.0.get(usize::try_from(place).ok()?).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Channel::{App, Email, External};

    fn written(policy: &Policy) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        policy.write(&mut e, &()).unwrap();
        e.into_writer()
    }

    fn read(bytes: &[u8]) -> Option<Policy> {
        let d = &mut Decoder::new(bytes);
        Policy::read(d, &()).filter(|_| d.position() == bytes.len())
    }

    /// All 48 policies of apps and e-mail codes that the constructors can make, without grace.
    fn simple_policies() -> Vec<Policy> {
        FIRST
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

    /// Every set of bytes of a policy without grace and external factors that has at most three clauses.
    fn simple_bytes() -> impl Iterator<Item = Vec<u8>> {
        let sets = |clauses: u8| (0..5).filter(move |set| clauses >> set & 1 == 1).flat_map(|set| [0x82, set, 0x80]);
        (0..24).flat_map(move |settings| {
            (0..5).flat_map(move |channels| {
                (0..32).map(move |clauses: u8| {
                    let head = [0x86, settings, 0, 0x80, 0x82, channels, 0x80, 0x80 | clauses.count_ones() as u8];
                    head.into_iter().chain(sets(clauses)).chain([0x80]).collect()
                })
            })
        })
    }

    #[test]
    fn every_policy_and_every_merge_is_read_back_and_nothing_else_is_read() {
        let simple = simple_policies();
        assert_eq!(simple.len(), 48);
        let mut made = BTreeSet::new();
        for p in &simple {
            for q in &simple {
                let merged = Policy::strictest(p, [q]);
                // A merge of which only one part allows the fallback can be given it afterwards.
                let given = merged.clone().with_email_fallback().ok();
                for policy in [Some(merged), given].into_iter().flatten() {
                    assert_eq!(read(&written(&policy)).as_ref(), Some(&policy));
                    made.insert(written(&policy));
                }
            }
            assert!(made.contains(&written(p)), "{p:?} merged with itself is itself");
        }
        assert_eq!(made.len(), 72);
        let readable: BTreeSet<Vec<u8>> = simple_bytes().filter(|bytes| read(bytes).is_some()).collect();
        assert_eq!(readable, made, "merging a third policy brings nothing new, so two are enough to say so");
        for policy in made.iter().filter_map(|bytes| read(bytes)) {
            assert!(simple.iter().all(|p| made.contains(&written(&Policy::strictest(&policy, [p])))));
        }
    }

    /// Policies with an external factor in each place, and their merges.
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
    fn policies_with_external_factors_and_their_merges_are_read_back() {
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
    fn bytes_are_fixed_because_records_outlive_the_program() {
        let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
        let policy = Policy::any_of([App, External(passkey)], FirstRegistration::WithTicket).unwrap();
        let policy = policy.with_stand_in(passkey).unwrap().with_grace(GraceDays::new(14).unwrap());
        let expected = [&[0x86, 2, 14, 0x81, 0x82, 1, 0x67][..], b"passkey", &[0x82, 1, 0x81, 0]].concat();
        let expected = [&expected[..], &[0x81, 0x82, 1, 0x81, 0], &[0x81, 0]].concat();
        assert_eq!(written(&policy), expected);
        let all = Policy::all_of([App, Email], FirstRegistration::AfterEmailCode).unwrap();
        let all = all.with_email_fallback().unwrap().with_trusted_browsers();
        let sets = [0x82, 3, 0x80, 0x82, 0x82, 1, 0x80, 0x82, 2, 0x80];
        assert_eq!(written(&all), [&[0x86, 13, 0, 0x80][..], &sets, &[0x80]].concat());
    }

    #[test]
    fn changed_or_cut_bytes_are_refused_or_another_policy() {
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
