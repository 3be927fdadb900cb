//! The export of devices: the feature `dangerous-export`.

use alloc::vec::Vec;

use super::Admin;
use crate::account::{Device, NumberedEvent};
use crate::audit::EventKind;
use crate::device::{DeviceId, DeviceName};
use crate::error::MfaError;
use crate::mail::Mailer;
use crate::otp::{TimeStep, Totp};
use crate::otpauth::{AccountName, Issuer, KeyUri, UnsupportedT0};
use crate::secret::Secret;
use crate::store::Store;
use crate::time::Timestamp;
use crate::user::UserId;

impl<S: Store, M: Mailer> Admin<'_, S, M> {
    /// Writes out the secrets of a user's devices, so that another system can take them over. **A program that reads them can
    /// compute the user's codes**: call it in a program of its own, never behind a page, and encrypt what it writes.
    ///
    /// The event [`EventKind::FactorsExported`] names the administrator. Recovery codes stay behind: of them there are
    /// digests only. Nothing is written to the store.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn export(self, user: &UserId) -> Result<Export, MfaError<S, M>> {
        let (devices, now) = self
            .mfa
            .peek(user, |account, cx| (account.devices.iter().map(ExportedDevice::of).collect(), cx.now))
            .await?;
        // On record before it is revealed.
        let kind = EventKind::FactorsExported { by: self.by.id().clone() };
        self.mfa.observe(user, now, NumberedEvent { seq: None, kind });
        Ok(Export { devices })
    }
}

/// The devices of a user, with their secrets.
#[derive(Debug)]
#[non_exhaustive]
pub struct Export {
    /// The devices, disabled ones too.
    pub devices: Vec<ExportedDevice>,
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

impl ExportedDevice {
    fn of(device: &Device) -> Self {
        let Device { added_at, failures: _, id, last_step, last_used_at: _, name, secret, totp } = device;
        Self {
            added_at: *added_at,
            disabled: device.is_disabled(),
            id: *id,
            last_step: *last_step,
            name: name.clone(),
            secret: Secret::copy_of(secret.expose_secret()),
            totp: *totp,
        }
    }
}
