//! The portal as a person uses it: in headless Chromium, with codes from `oathtool` and the QR code read from the
//! screen.
//!
//! Each file is a flow. Pictures of what was seen are put into `artifacts/` at the root of the workspace.

mod account_end;
mod accounts;
mod authenticator;
mod driver;
mod grace;
mod groups;
mod keys;
mod moving;
mod new_browsers;
mod passkeys;
mod preview;
mod reachable;
mod recovery;
mod replacement;
mod reset;
mod s1_company_enforces;
mod s2_channels;
mod s3_registration_whatever_the_channels;
mod s4_enrollment_at_login;
mod s5_email_code_at_login;
mod s6_device_from_profile;
mod s7_password_alone_never_enters;
mod security_key;
mod step_up;
mod support;
mod tickets;
mod trust;
mod world;
