//! Moving out: the feature `dangerous-export`.

use alloc::vec::Vec;

use super::Mfa;
use crate::account::Device;
use crate::device::{DeviceId, DeviceName};
use crate::error::MfaError;
use crate::event::{Event, EventKind};
use crate::login::Administrator;
use crate::mailer::Mailer;
use crate::otp::{TimeStep, Totp};
use crate::otpauth::{AccountName, Issuer, KeyUri, UnsupportedT0};
use crate::secret::Secret;
use crate::store::Store;
use crate::time::Timestamp;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Writes out the secrets of a user's devices, so that another system can take them over. **Whoever reads them is the
    /// user's second factor**: call it in a program of its own, never behind a page, and encrypt what it writes.
    ///
    /// The event [`EventKind::FactorsExported`] names the administrator. Recovery codes stay behind: of them there are
    /// digests only. Nothing is written to the store.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn export(&self, user: &UserId, by: &Administrator) -> Result<Export, MfaError<S, M>> {
        let (account, now) = self.look(user).await?;
        // On record before it is revealed.
        let event = self.observe(user, now, EventKind::FactorsExported { by: by.id().clone() });
        let devices = account.devices.into_iter().map(ExportedDevice::from).collect();
        Ok(Export { devices, events: Vec::from([event]) })
    }
}

/// The devices of a user, secrets and all.
#[derive(Debug)]
#[non_exhaustive]
pub struct Export {
    /// The devices, disabled ones too.
    pub devices: Vec<ExportedDevice>,
    /// What happened with this answer, for the audit log.
    pub events: Vec<Event>,
}

/// A device with its secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExportedDevice {
    /// When its registration was confirmed.
    pub added_at: Timestamp,
    /// Whether it was disabled by consecutive wrong codes.
    pub disabled: bool,
    /// Which device it is.
    pub id: DeviceId,
    /// The greatest step that was accepted. The other system must accept neither it nor an earlier one.
    pub last_step: TimeStep,
    /// What its user calls it.
    pub name: DeviceName,
    /// Its secret.
    pub secret: Secret,
    /// How its codes are computed.
    pub totp: Totp,
}

impl ExportedDevice {
    /// Its Key URI.
    ///
    /// # Errors
    ///
    /// [`UnsupportedT0`] if it was imported with a T0 that a Key URI has no parameter for.
    pub fn key_uri(&self, issuer: &Issuer, account: &AccountName) -> Result<KeyUri, UnsupportedT0> {
        KeyUri::totp(issuer, account, &self.secret, &self.totp)
    }
}

impl From<Device> for ExportedDevice {
    fn from(device: Device) -> Self {
        let disabled = device.is_disabled();
        let Device { added_at, failures: _, id, last_step, last_used_at: _, name, secret, totp } = device;
        Self { added_at, disabled, id, last_step, name, secret, totp }
    }
}
