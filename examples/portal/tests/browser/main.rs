//! The portal as a person uses it: in headless Chromium, with codes from `oathtool` and the QR code read from the
//! screen.
//!
//! Each file is a flow. Pictures of what was seen are put into `artifacts/` at the root of the workspace.

mod accounts;
mod support;
