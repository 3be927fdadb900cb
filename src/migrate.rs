//! Migration from another system: its users keep their devices and recovery codes.
//!
//! A host reads the rows of the other system, makes an [`Import`] of each user, and passes it to
//! [`Admin::import`](crate::admin::Admin::import). A user who has, or ever had, a factor here is left as they are: so an import
//! can be run again, and never brings back a device that was lost. From then on the user counts as one who has had a factor,
//! and cannot register with a password alone.
//!
//! * **Secrets** are imported as they are, short ones too ([`Secret::from_legacy_base32`]);
//!   [`Coverage`](crate::maintenance::Coverage) counts them.
//! * **The last accepted step** is imported, so that a code that was used there cannot be used here. If the other system keeps
//!   none, every code up to the moment of the import counts as used.
//! * **Drift** is not imported: a device whose clock is off by more than the window must set it.
//! * **Recovery codes in plain text** are kept as keyed digests of their bytes. Each works once.
//! * **Hashed recovery codes** stay hashed, inside the sealed record, until one is used. Only the host's checker can recognize
//!   them: [`MfaBuilder::recovery_hash_checker`](crate::MfaBuilder::recovery_hash_checker), which says what a slow hash costs.
//!   New recovery codes replace all imported ones.
//! * **No mail is sent.** The event [`EventKind::FactorsImported`](crate::audit::EventKind::FactorsImported) names the
//!   administrator.
//! * **Not imported**: counter-based devices (HOTP), trusted browsers, open logins. A user with recovery codes and no device
//!   needs a ticket.
//!
//! On the page a user types an imported code into the field for recovery codes:
//! [`Action::RecoveryCode`](crate::Action::RecoveryCode) accepts both kinds.
//!
//! # django-otp
//!
//! A row of `otp_totp_totpdevice` is a device, if it is `confirmed`. The key is hexadecimal, the algorithm is SHA-1,
//! `last_t` is the last accepted step, or -1. `tolerance` is the window, which is a setting of the engine here; `drift` is
//! left behind. A row of `otp_static_statictoken` is a recovery code in plain; its case counts.
//!
//! ```
//! use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
//! use factorgate::otp::{Digits, TimeStep, Totp};
//! use factorgate::{device::DeviceName, otp::Secret, Timestamp};
//!
//! struct TotpDevice<'a> { name: &'a str, key: &'a str, step: u64, t0: u64, digits: u8, last_t: i64 }
//!
//! fn from_django(row: &TotpDevice, tokens: &[&str]) -> Result<Import, Box<dyn std::error::Error>> {
//!     let pairs = (0..row.key.len()).step_by(2).map(|at| row.key.get(at..at + 2).unwrap_or("odd"));
//!     let key: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>()?;
//!     let totp = Totp::builder()
//!         .period_secs(row.step)
//!         .t0(Timestamp::from_secs(row.t0))
//!         .digits(Digits::new(row.digits)?)
//!         .build()?;
//!     let mut device = ImportedDevice::new(Secret::from_legacy_bytes(&key)?, totp).named(DeviceName::new(row.name)?);
//!     if let Ok(step) = u64::try_from(row.last_t) {
//!         device = device.last_step(TimeStep::new(step));
//!     }
//!     let mut import = Import::new(device);
//!     for token in tokens {
//!         import = import.with_recovery_code(LegacyRecoveryCode::parse(token)?)?;
//!     }
//!     Ok(import)
//! }
//!
//! let row = TotpDevice {
//!     name: "default",
//!     key: "3132333435363738393031323334353637383930",
//!     step: 30,
//!     t0: 0,
//!     digits: 6,
//!     last_t: 63_333_333,
//! };
//! assert_eq!(format!("{:?}", from_django(&row, &["6pjh5sm3"])?), "Import(1 devices, 1 recovery codes)");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # devise-two-factor
//!
//! `otp_secret` is base32, once the host has decrypted it with the keys of the old application; SHA-1, 6 digits, 30
//! seconds. `consumed_timestep` is the step of the server's clock when a code was last accepted, or null; by the drift that
//! is allowed, the code may have been that of the next step. `otp_backup_codes` are hashed by bcrypt, with the pepper of Devise
//! behind the code if one is configured.
//!
//! ```
//! use factorgate::migrate::{Import, ImportedDevice};
//! use factorgate::otp::{TimeStep, Totp};
//! use factorgate::otp::Secret;
//!
//! fn from_devise(
//!     otp_secret: &str,
//!     consumed_timestep: Option<u64>,
//!     otp_backup_codes: &[&str],
//! ) -> Result<Import, Box<dyn std::error::Error>> {
//!     let mut device = ImportedDevice::new(Secret::from_legacy_base32(otp_secret)?, Totp::default());
//!     if let Some(step) = consumed_timestep {
//!         device = device.last_step(TimeStep::new(step + 1)); // otp_allowed_drift / 30
//!     }
//!     otp_backup_codes.iter().try_fold(Import::new(device), |import, hash| Ok(import.with_hashed_recovery_code(hash)?))
//! }
//!
//! let hash = "$2a$04$abcdefghijklmnopqrstuu5s9JYx5ZoSF1zkGQZ8n9nXnIhAJxZ0S";
//! assert_eq!(
//!     format!("{:?}", from_devise("JBSWY3DPEHPK3PXPJBSWY3DP", Some(63_333_333), &[hash])?),
//!     "Import(1 devices, 1 recovery codes)"
//! );
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! The checker is `move |typed, hash| bcrypt::verify(format!("{typed}{pepper}"), hash).unwrap_or(false)`.
//!
//! # Keycloak
//!
//! A row of `credential` of the type `otp` holds `secret_data` and `credential_data`, both JSON. **Without
//! `secretEncoding` the characters of the secret are the key**; with `BASE32` they are base32. Keycloak keeps no last
//! step. A row of the type `recovery-authn-codes` holds a hash of each code that is left, without its hyphens: SHA-512 in
//! base64, where `credential_data` says `RS512` and one iteration. Keycloak asks for them in their order, and here any is
//! good.
//!
//! ```
//! use factorgate::migrate::{Import, ImportedDevice};
//! use factorgate::otp::{Algorithm, Digits, Totp};
//! use factorgate::device::DeviceName;
//! use factorgate::otp::Secret;
//!
//! fn from_keycloak(
//!     user_label: Option<&str>,
//!     secret_data: &str,
//!     credential_data: &str,
//!     recovery_secret_data: Option<&str>,
//! ) -> Result<Import, Box<dyn std::error::Error>> {
//!     let secret: serde_json::Value = serde_json::from_str(secret_data)?;
//!     let data: serde_json::Value = serde_json::from_str(credential_data)?;
//!     if data["subType"] != "totp" {
//!         return Err("a counter-based device".into());
//!     }
//!     let value = secret["value"].as_str().ok_or("no secret")?;
//!     let secret = match data["secretEncoding"].as_str() {
//!         None => Secret::from_legacy_bytes(value.as_bytes())?,
//!         Some(name) if name.eq_ignore_ascii_case("base32") => Secret::from_legacy_base32(value)?,
//!         Some(_) => return Err("an unknown encoding".into()),
//!     };
//!     let algorithm = match data["algorithm"].as_str() {
//!         Some("HmacSHA1") => Algorithm::Sha1,
//!         Some("HmacSHA256") => Algorithm::Sha256,
//!         Some("HmacSHA512") => Algorithm::Sha512,
//!         _ => return Err("an unknown algorithm".into()),
//!     };
//!     let digits = data["digits"].as_u64().and_then(|digits| u8::try_from(digits).ok()).ok_or("no digits")?;
//!     let period = data["period"].as_u64().ok_or("no period")?;
//!     let totp = Totp::builder().algorithm(algorithm).digits(Digits::new(digits)?).period_secs(period).build()?;
//!     let mut device = ImportedDevice::new(secret, totp);
//!     if let Some(label) = user_label.filter(|label| !label.is_empty()) {
//!         device = device.named(DeviceName::new(label)?);
//!     }
//!     let mut import = Import::new(device);
//!     if let Some(recovery) = recovery_secret_data {
//!         let recovery: serde_json::Value = serde_json::from_str(recovery)?;
//!         for code in recovery["codes"].as_array().ok_or("no codes")? {
//!             import = import.with_hashed_recovery_code(code["encodedHashedValue"].as_str().ok_or("no hash")?)?;
//!         }
//!     }
//!     Ok(import)
//! }
//!
//! let import = from_keycloak(
//!     Some("phone"),
//!     r#"{"value":"ovvGdzuH4E3gM5qwiVvS"}"#,
//!     r#"{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}"#,
//!     Some(r#"{"codes":[{"number":1,"encodedHashedValue":"bm90IGEgaGFzaA=="}]}"#),
//! )?;
//! assert_eq!(format!("{import:?}"), "Import(1 devices, 1 recovery codes)");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! The checker is the base64 of SHA-512 of the code, compared with the hash in constant time; `tests/migrate/recipes.rs` has one.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq as _;

use crate::device::DeviceName;
use crate::otp::{TimeStep, Totp};
use crate::secret::{Secret, SecretText};
use crate::time::Timestamp;

/// What one user has registered with another system. It holds a device at least: recovery codes stand in for one.
///
/// ```
/// use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
/// use factorgate::otp::{Secret, Totp};
///
/// let device = ImportedDevice::new(Secret::from_legacy_base32("JBSWY3DPEHPK3PXP")?, Totp::default());
/// let import = Import::new(device).with_recovery_code(LegacyRecoveryCode::parse("f7c1-2b9e")?)?;
/// # let _ = import; // mfa.admin(&by).import(&user, &import).await
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Import {
    pub(crate) codes: Vec<LegacyRecoveryCode>,
    pub(crate) devices: Vec<ImportedDevice>,
    pub(crate) hashes: Vec<SecretText>,
}

impl Import {
    /// The most devices of a user.
    pub const MAX_DEVICES: usize = 5;
    /// The longest hash of a recovery code, in bytes.
    pub const MAX_HASH_LEN: usize = 160;
    /// The most recovery codes of a user, plain and hashed together.
    pub const MAX_RECOVERY_CODES: usize = 20;

    /// One device.
    #[must_use]
    pub fn new(device: ImportedDevice) -> Self {
        Self { codes: Vec::new(), devices: Vec::from([device]), hashes: Vec::new() }
    }

    /// One more device.
    ///
    /// # Errors
    ///
    /// [`InvalidImport::TooManyDevices`] above [`Import::MAX_DEVICES`]; [`InvalidImport::SameSecret`] if another device
    /// has its secret, for then one code would be good twice.
    pub fn with_device(mut self, device: ImportedDevice) -> Result<Self, InvalidImport> {
        if self.devices.len() >= Self::MAX_DEVICES {
            return Err(InvalidImport::TooManyDevices);
        }
        let is_same =
            |held: &ImportedDevice| bool::from(held.secret.expose_secret().ct_eq(device.secret.expose_secret()));
        if self.devices.iter().any(is_same) {
            return Err(InvalidImport::SameSecret);
        }
        self.devices.push(device);
        Ok(self)
    }

    /// One more recovery code, of which the other system keeps the text. Of one that is there twice one is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidImport::TooManyRecoveryCodes`] above [`Import::MAX_RECOVERY_CODES`].
    pub fn with_recovery_code(mut self, code: LegacyRecoveryCode) -> Result<Self, InvalidImport> {
        self.check_room()?;
        self.codes.push(code);
        Ok(self)
    }

    /// One more recovery code, of which the other system keeps a hash: the text that its checker understands.
    ///
    /// # Errors
    ///
    /// [`InvalidImport::Hash`] if it is not 1 to [`Import::MAX_HASH_LEN`] printable ASCII characters;
    /// [`InvalidImport::TooManyRecoveryCodes`] above [`Import::MAX_RECOVERY_CODES`].
    pub fn with_hashed_recovery_code(mut self, hash: &str) -> Result<Self, InvalidImport> {
        self.check_room()?;
        let is_sound =
            (1..=Self::MAX_HASH_LEN).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_sound {
            return Err(InvalidImport::Hash);
        }
        self.hashes.push(SecretText::new(hash.to_owned()));
        Ok(self)
    }

    fn check_room(&self) -> Result<(), InvalidImport> {
        match self.codes.len() + self.hashes.len() < Self::MAX_RECOVERY_CODES {
            true => Ok(()),
            false => Err(InvalidImport::TooManyRecoveryCodes),
        }
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = self.codes.len() + self.hashes.len();
        write!(f, "Import({} devices, {codes} recovery codes)", self.devices.len())
    }
}

/// A device that was registered with another system.
///
/// ```
/// use factorgate::Timestamp;
/// use factorgate::device::DeviceName;
/// use factorgate::migrate::ImportedDevice;
/// use factorgate::otp::{Secret, TimeStep, Totp};
///
/// let secret = Secret::from_legacy_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
/// let device = ImportedDevice::new(secret, Totp::default())
///     .named(DeviceName::new("Pixel 9")?)
///     .added_at(Timestamp::from_secs(1_700_000_000))
///     .last_step(TimeStep::new(63_333_333)); // a code that was used there cannot be used here
/// # let _ = device;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImportedDevice {
    pub(crate) added_at: Option<Timestamp>,
    pub(crate) last_step: Option<TimeStep>,
    pub(crate) name: DeviceName,
    pub(crate) secret: Secret,
    pub(crate) totp: Totp,
}

impl ImportedDevice {
    /// A device of this secret, whose codes are computed by `totp`; any T0 will do.
    #[must_use]
    pub fn new(secret: Secret, totp: Totp) -> Self {
        Self { added_at: None, last_step: None, name: DeviceName::default(), secret, totp }
    }

    /// When it was registered; unless told, when it is imported.
    #[must_use]
    pub fn added_at(mut self, at: Timestamp) -> Self {
        self.added_at = Some(at);
        self
    }

    /// The greatest step that the other system has accepted, counted from T0 in whole periods. Neither it nor an earlier
    /// one is accepted here; unless told, none up to the time of the import is.
    #[must_use]
    pub fn last_step(mut self, step: TimeStep) -> Self {
        self.last_step = Some(step);
        self
    }

    /// What its user calls it.
    #[must_use]
    pub fn named(mut self, name: DeviceName) -> Self {
        self.name = name;
        self
    }
}

/// A recovery code as another system has spelled it. Its bytes count, its case too; white space around it does not.
///
/// Where the other system reads several spellings as one code (without hyphens, in either case), write it in one of them,
/// both when it is imported and when it was typed.
///
/// ```
/// use factorgate::migrate::LegacyRecoveryCode;
///
/// let typed = LegacyRecoveryCode::parse(" 6pjh5sm3 ")?;
/// assert_eq!(format!("{typed:?}"), "LegacyRecoveryCode(..)");
/// assert!(LegacyRecoveryCode::parse("12345").is_err());
/// # Ok::<_, factorgate::migrate::InvalidLegacyRecoveryCode>(())
/// ```
pub struct LegacyRecoveryCode(SecretText);

impl LegacyRecoveryCode {
    /// The longest code, in bytes.
    pub const MAX_LEN: usize = 64;
    /// The shortest code, in bytes.
    pub const MIN_LEN: usize = 6;

    /// Reads a code, whatever it is made of.
    ///
    /// # Errors
    ///
    /// [`InvalidLegacyRecoveryCode`] if it can be none. Nothing is spent.
    pub fn parse(text: &str) -> Result<Self, InvalidLegacyRecoveryCode> {
        let text = text.trim();
        if text.len() < Self::MIN_LEN {
            return Err(InvalidLegacyRecoveryCode::TooShort);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidLegacyRecoveryCode::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidLegacyRecoveryCode::ControlCharacter);
        }
        Ok(Self(SecretText::new(text.to_owned())))
    }

    /// The code as it was typed.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for LegacyRecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyRecoveryCode(..)")
    }
}

/// Why a text is no [`LegacyRecoveryCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLegacyRecoveryCode {
    /// It holds a control character.
    #[error("a recovery code holds no control character")]
    ControlCharacter,
    /// It is longer than [`LegacyRecoveryCode::MAX_LEN`].
    #[error("the recovery code is longer than 64 bytes")]
    TooLong,
    /// It is shorter than [`LegacyRecoveryCode::MIN_LEN`].
    #[error("the recovery code is shorter than 6 bytes")]
    TooShort,
}

/// Why rows make no [`Import`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidImport {
    /// A hash is empty, too long, or no printable ASCII.
    #[error("a hash of a recovery code must be 1 to 160 printable ASCII characters")]
    Hash,
    /// Two devices have one secret.
    #[error("two devices have the same secret")]
    SameSecret,
    /// More than [`Import::MAX_DEVICES`].
    #[error("at most 5 devices of a user can be imported")]
    TooManyDevices,
    /// More than [`Import::MAX_RECOVERY_CODES`].
    #[error("at most 20 recovery codes of a user can be imported")]
    TooManyRecoveryCodes,
}
