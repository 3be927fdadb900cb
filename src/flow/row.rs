//! What the host says of a user: the row, and that the first factor was verified against it.

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::browser::BrowserToken;
use crate::keys::{KeyId, KeySet};
use crate::mac::{TAG_LEN, tag};
use crate::otpauth::AccountName;
use crate::policy::EmailStanding;
use crate::user::{EmailAddress, UserId};

/// What the host's row says about one user now: the id, the credential and the contact.
///
/// The engine keeps a keyed digest of the row in the record, in each flow, in each session and with each browser
/// token. It compares the digest with the row that the host passes later. So a request that read an old password
/// hash or an old address cannot open or keep a session, in whatever order the host reads, writes and calls, and
/// even if the host never reports the change. A row may be as old as the host likes: a change takes effect when the
/// host reads the row.
///
/// ```
/// # fn row(id: i64, password_version: i64, email: &str) -> Result<factorgate::UserRow, Box<dyn std::error::Error>> {
/// use factorgate::{Contact, EmailAddress, UserId, UserRow};
///
/// let contact = Contact::verified(EmailAddress::new(email)?);
/// Ok(UserRow::new(UserId::new(&id.to_string())?, password_version.to_be_bytes(), contact))
/// # }
/// # assert!(row(4711, 1, "alice@example.com").is_ok());
/// ```
pub struct UserRow {
    pub(crate) user: UserId,
    pub(crate) contact: Contact,
    credential: Zeroizing<Vec<u8>>,
}

impl UserRow {
    /// Takes the id, the credential and the contact of the user.
    ///
    /// The credential is a value that changes whenever the password changes, and only then: a version column or the
    /// time of the last change. The password hash serves a host that never rehashes at a login. A host without
    /// passwords passes what its identity provider would change.
    #[must_use]
    pub fn new(user: UserId, credential: impl AsRef<[u8]>, contact: Contact) -> Self {
        Self { user, contact, credential: Zeroizing::new(credential.as_ref().to_vec()) }
    }

    /// Returns whose row it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns the contact.
    #[must_use]
    pub fn contact(&self) -> &Contact {
        &self.contact
    }
}

impl fmt::Debug for UserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRow").field("user", &self.user).field("contact", &self.contact).finish_non_exhaustive()
    }
}

/// Keyed digests of a row. Whether the address is verified is not part of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowDigest {
    pub(crate) key: KeyId,
    pub(crate) credential: [u8; TAG_LEN],
    pub(crate) address: [u8; TAG_LEN],
}

impl RowDigest {
    pub(crate) fn of(keys: &KeySet, row: &UserRow) -> Self {
        let user = row.user.as_str().as_bytes();
        let address = row.contact.email.as_ref().map_or("", |(address, _)| address.as_str());
        let tag = |part: &[u8], value: &[u8]| tag(&keys.digest, &[b"row", part, user, value]);
        Self {
            key: keys.id,
            credential: tag(b"credential", &row.credential),
            address: tag(b"address", address.as_bytes()),
        }
    }

    /// Whether it is the digest of `row`, under the key that made it.
    pub(crate) fn is_of(&self, keys: &KeySet, row: &UserRow) -> bool {
        keys.id == self.key && Self::of(keys, row).is(self)
    }

    /// Whether the password has changed since `earlier`. Under another key nobody knows.
    pub(crate) fn has_new_credential(&self, earlier: &Self) -> bool {
        self.key == earlier.key && bool::from(!self.credential.ct_eq(&earlier.credential))
    }

    /// Whether both are digests of the same row under the same key.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = self.credential.ct_eq(&other.credential) & self.address.ct_eq(&other.address);
        self.key == other.key && bool::from(same)
    }
}

/// Claims are compared by tests and by hosts; the digests in them are no secret that a comparison could give away.
impl PartialEq for RowDigest {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for RowDigest {}

/// The host's statement that the first factor of this row was verified just now.
///
/// Nothing in this library can check it. Search a host for `PrimaryVerified::assertion` to review each place that
/// makes it: every way into a session (password, magic link, social login, API) leads through one of them.
///
/// ```
/// # fn primary(row: factorgate::UserRow, cookie: Option<&str>) -> factorgate::PrimaryVerified {
/// use factorgate::PrimaryVerified;
///
/// PrimaryVerified::assertion(row).from_browser(cookie)
/// # }
/// ```
#[derive(Debug)]
pub struct PrimaryVerified {
    pub(crate) row: UserRow,
    pub(crate) browser: Option<BrowserToken>,
}

impl PrimaryVerified {
    /// Asserts that the password, or another first factor, was verified against `row`.
    #[must_use]
    pub fn assertion(row: UserRow) -> Self {
        Self { row, browser: None }
    }

    /// Adds the token from the browser's cookie, so that a known or trusted browser is recognized. A cookie that holds no token
    /// is ignored.
    ///
    /// A host without cookies, such as an API, never calls it: then every login comes from an unknown browser, and an
    /// attacker with the password can block them all by wrong codes, until an administrator unblocks them or the password is changed.
    #[must_use]
    pub fn from_browser(mut self, cookie: Option<&str>) -> Self {
        self.browser = cookie.and_then(|text| BrowserToken::from_cookie(text).ok());
        self
    }

    /// Returns whose first factor was verified.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.row.user
    }
}

/// The e-mail address on record and the name under which an app lists the account.
///
/// The host reads it from its database. It is fixed for the length of a flow: no code goes to an address that came
/// with a request, or that was changed half-way.
///
/// ```
/// use factorgate::{Contact, EmailAddress};
///
/// let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    pub(crate) account: AccountName,
    pub(crate) email: Option<(EmailAddress, EmailStanding)>,
}

impl Contact {
    /// An address that the user has verified before.
    #[must_use]
    pub fn verified(address: EmailAddress) -> Self {
        Self::email(address, EmailStanding { tainted: false, verified: true })
    }

    /// An address that was never verified; a code sent to it verifies it.
    #[must_use]
    pub fn unverified(address: EmailAddress) -> Self {
        Self::email(address, EmailStanding { tainted: false, verified: false })
    }

    /// An address with the given standing. No code is sent to a tainted address.
    #[must_use]
    pub fn email(address: EmailAddress, standing: EmailStanding) -> Self {
        Self { account: AccountName::from(&address), email: Some((address, standing)) }
    }

    /// A user without an address, listed by an app as `account`.
    #[must_use]
    pub fn without_email(account: AccountName) -> Self {
        Self { account, email: None }
    }

    /// Replaces the name under which an app lists the account. Default: the address.
    #[must_use]
    pub fn listed_as(mut self, account: AccountName) -> Self {
        self.account = account;
        self
    }

    pub(crate) fn standing(&self) -> Option<EmailStanding> {
        self.email.as_ref().map(|(_, standing)| *standing)
    }

    pub(crate) fn address(&self) -> Option<&EmailAddress> {
        self.email.as_ref().map(|(address, _)| address)
    }
}

impl fmt::Debug for Contact {
    /// Hides the account name: by default it is the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("email", &self.email).finish_non_exhaustive()
    }
}
