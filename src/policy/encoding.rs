//! A policy as a small number, for a record that remembers the policy a login began with.

use super::{ChannelSet, FirstRegistration, Policy};

// Bits 0 to 3: one for each set of channels that can be a clause; the empty one cannot, and bit 0 is never set.
const CHANNELS: u32 = 4;
const FIRST_REGISTRATION: u32 = 6;
const EMAIL_FALLBACK: u32 = 8;
const GRACE: u32 = 9;
const TRUSTED_BROWSERS: u32 = 10;

impl Policy {
    /// The policy as a number that never means another policy, now or later.
    pub(crate) fn to_bits(&self) -> u32 {
        let clauses = self.clauses.iter().fold(0, |bits, clause| bits | 1 << clause.bits());
        let first = match self.first_registration {
            FirstRegistration::AfterPassword => 0,
            FirstRegistration::AfterEmailCode => 1,
            FirstRegistration::WithTicket => 2,
        };
        clauses
            | u32::from(self.channels.bits()) << CHANNELS
            | first << FIRST_REGISTRATION
            | u32::from(self.email_fallback) << EMAIL_FALLBACK
            | u32::from(self.grace) << GRACE
            | u32::from(self.trusted_browsers) << TRUSTED_BROWSERS
    }

    /// The policy that [`Policy::to_bits`] made `bits` of; `None` if it made them of none.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        let is_set = |bit: u32| bits >> bit & 1 == 1;
        let read = Self {
            clauses: ChannelSet::subsets().filter(|set| is_set(set.bits().into())).collect(),
            channels: ChannelSet::subsets().find(|set| u32::from(set.bits()) == bits >> CHANNELS & 0b11)?,
            email_fallback: is_set(EMAIL_FALLBACK),
            first_registration: match bits >> FIRST_REGISTRATION & 0b11 {
                0 => FirstRegistration::AfterPassword,
                1 => FirstRegistration::AfterEmailCode,
                2 => FirstRegistration::WithTicket,
                _ => return None,
            },
            grace: is_set(GRACE),
            trusted_browsers: is_set(TRUSTED_BROWSERS),
        };
        (read.to_bits() == bits && read.can_be_made()).then_some(read)
    }

    /// Whether the constructors and [`Policy::strictest`] can make this policy. If they can, it is what all of
    /// the simple policies that it covers come to together.
    fn can_be_made(&self) -> bool {
        let first = self.first_registration;
        let enforcing = ChannelSet::subsets()
            .filter(|channels| !channels.is_empty())
            .flat_map(|channels| [Self::enforcing_any(channels, first), Self::enforcing_all(channels, first)]);
        let covered = core::iter::once(Self::off(first))
            .chain(enforcing)
            .filter(|p| p.clauses.is_subset(&self.clauses) && p.channels.is_subset(self.channels))
            // A merge allows the fallback if all of its parts do, and those without e-mail cannot.
            .filter(|p| !self.email_fallback || ChannelSet::EMAIL.is_subset(p.channels))
            .reduce(|all, p| all.joined(&p));
        covered.is_some_and(|p| p.clauses == self.clauses && p.channels == self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Channel::{App, Email};
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    /// All 96 policies that the constructors can make.
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
            .flat_map(|p| [p.clone(), p.with_grace()])
            .flat_map(|p| [p.clone(), p.with_trusted_browsers()])
            .collect()
    }

    #[test]
    fn every_policy_and_every_merge_comes_back_and_nothing_else_is_read() {
        let simple = simple_policies();
        assert_eq!(simple.len(), 96);
        let mut written = BTreeSet::new();
        for p in &simple {
            for q in &simple {
                let merged = Policy::strictest(p, [q]);
                assert_eq!(Policy::from_bits(merged.to_bits()).as_ref(), Some(&merged));
                written.insert(merged.to_bits());
            }
            assert!(written.contains(&p.to_bits()), "{p:?} merged with itself is itself");
        }
        assert_eq!(written.len(), 132);
        let readable: BTreeSet<u32> = (0..1 << 16).filter(|&bits| Policy::from_bits(bits).is_some()).collect();
        assert_eq!(readable, written, "merging a third policy brings nothing new, so two are enough to say so");
        for bits in &written {
            for high in 11..32 {
                assert_eq!(Policy::from_bits(bits | 1 << high), None);
            }
            for p in &simple {
                let merged = Policy::strictest(&Policy::from_bits(*bits).unwrap(), [p]);
                assert!(written.contains(&merged.to_bits()));
            }
        }
    }

    #[test]
    fn the_numbers_are_fixed_for_records_outlive_the_program() {
        use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};
        assert_eq!(Policy::off(AfterPassword).to_bits(), 0);
        assert_eq!(Policy::any_of([Email], AfterPassword).unwrap().to_bits(), 0b000_0010_1000);
        assert_eq!(Policy::any_of([App], AfterEmailCode).unwrap().to_bits(), 0b000_0101_0010);
        assert_eq!(Policy::any_of([App, Email], AfterEmailCode).unwrap().with_grace().to_bits(), 0b010_0111_1000);
        let all = Policy::all_of([App, Email], WithTicket).unwrap().with_email_fallback().unwrap();
        assert_eq!(all.with_trusted_browsers().to_bits(), 0b101_1011_0110);
    }
}
