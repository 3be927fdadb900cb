//! Tickets: an administrator gives one to a user without any other proof.

use core::fmt;

use crate::random::{RandomUnavailable, SecureRandom};
use crate::secret::{InvalidSecret, Secret, SecretText};

/// A ticket: 128 random bits that allow one user to register one device. It can be used once and expires after 24 hours.
///
/// The administrator identifies the user before giving it out. Only a keyed digest of it is stored.
///
/// ```
/// # fn page(ticket: &factorgate::admin::Ticket) {
/// use factorgate::admin::Ticket;
///
/// let shown = ticket.expose_secret(); // hand it to the user in person
/// assert!(Ticket::parse(shown.expose_secret()).is_ok());
/// # }
/// ```
pub struct Ticket(Secret);

impl Ticket {
    pub(crate) fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        Secret::generate_with_len(Secret::MIN_LEN, random).map(Self)
    }

    /// Reads a ticket as people type it: either case, spaces and hyphens between the letters.
    ///
    /// # Errors
    ///
    /// [`InvalidTicket`] if it was mistyped. Nothing is spent.
    pub fn parse(text: &str) -> Result<Self, InvalidTicket> {
        let secret = Secret::from_base32(text).map_err(InvalidTicket)?;
        match secret.expose_secret().len() {
            Secret::MIN_LEN => Ok(Self(secret)),
            _ => Err(InvalidTicket(InvalidSecret::TooLong)),
        }
    }

    /// The text to hand over, in groups of four letters.
    #[must_use]
    pub fn expose_secret(&self) -> SecretText {
        self.0.to_base32().grouped()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// The text is no ticket: it was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ticket is mistyped: it has 26 letters and digits")]
pub struct InvalidTicket(#[source] InvalidSecret);
