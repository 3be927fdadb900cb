//! Randomness as an argument: the operating system's, or a test's.

/// A cryptographically secure source of random bytes (RFC 4086; NIST SP 800-63B-4 section 3.2.12).
///
/// [`OsRandom`] is the one to use. A host that must draw from a validated module implements the trait.
pub trait SecureRandom: Send + Sync {
    /// Fills the whole of `out` with random bytes.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if even one byte could not be drawn. The caller then uses none of `out`.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The source of randomness failed. No secret is made without it, and nobody can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness is unavailable")]
pub struct RandomUnavailable;

/// The operating system's generator, by way of the `rand` crate.
///
/// ```
/// use factorgate::env::OsRandom;
/// use factorgate::otp::Algorithm;
///
/// let secret = Algorithm::Sha1.generate_secret(&OsRandom)?;
/// assert_eq!(secret.expose_secret().len(), 20);
/// # Ok::<_, factorgate::env::RandomUnavailable>(())
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

#[cfg(feature = "std")]
impl SecureRandom for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        use rand::TryRng as _;
        rand::rngs::SysRng.try_fill_bytes(out).map_err(|_| RandomUnavailable)
    }
}

/// Each number below `bound` with the same probability, without a division on what was drawn.
///
/// The high half of `drawn × bound` is the number; the draws whose low half falls into the short last
/// stretch are thrown away, or some numbers would come up more often (OWASP ASVS 5.0, 6.5.3).
#[cfg(feature = "std")]
pub(crate) fn uniform_below(random: &dyn SecureRandom, bound: u64) -> Result<u64, RandomUnavailable> {
    // A bound of at most 10^10 rejects fewer than one draw in 10^9: a generator that is rejected eight
    // times in a row is broken.
    const TRIES: u32 = 8;
    let Some(uneven) = bound.wrapping_neg().checked_rem(bound) else { return Err(RandomUnavailable) };
    for _ in 0..TRIES {
        let mut bytes = zeroize::Zeroizing::new([0; 8]);
        random.fill(bytes.as_mut())?;
        let product = u128::from(u64::from_le_bytes(*bytes)) * u128::from(bound);
        if product as u64 >= uneven {
            return Ok((product >> 64) as u64);
        }
    }
    Err(RandomUnavailable)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    struct Constant(u8);
    impl SecureRandom for Constant {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
            out.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn the_ends_of_the_range_are_reached_and_not_passed() {
        assert_eq!(uniform_below(&Constant(0xff), 1_000_000), Ok(999_999));
        // 2^64 mod 10^6 = 551616: a draw of zero lies in the uneven stretch and is rejected for ever.
        assert_eq!(uniform_below(&Constant(0), 1_000_000), Err(RandomUnavailable));
        assert_eq!(uniform_below(&Constant(0), 0), Err(RandomUnavailable));
    }

    #[test]
    fn a605_3_digits_are_uniform() {
        let mut seen = [0_u32; 10];
        for _ in 0..20_000 {
            seen[uniform_below(&OsRandom, 10).unwrap() as usize] += 1;
        }
        let chi_square: f64 = seen.iter().map(|&n| (f64::from(n) - 2000.0).powi(2) / 2000.0).sum();
        // Nine degrees of freedom: 45 is passed by chance once in a million runs.
        assert!(chi_square < 45.0, "chi-square {chi_square}, counts {seen:?}");
    }
}
