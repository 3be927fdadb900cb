//! What times and events mean.

use std::time::Duration;

use factorgate::Timestamp;
use factorgate::audit::{CodeFault, EventKind, Factor, TrustEnd};
use factorgate::policy::Step;

use crate::guesses::Target;
use crate::ledger::Operation;

/// Whether a time can be true, or was written while a clock was wrong.
pub fn can_be_past(at: Timestamp, now: Timestamp) -> bool {
    at <= now.saturating_add(Duration::from_secs(60))
}

/// Whether a period of so many seconds runs, or was written while a clock was wrong.
pub fn is_running(until: Timestamp, secs: u64, now: Timestamp) -> bool {
    now < until && can_be_past(until, now.saturating_add(Duration::from_secs(secs)))
}

/// What a refused code was aimed at, and what it costs; `None` if nothing.
pub fn cost_of(factor: Factor, fault: CodeFault, op: &Operation) -> Option<(Target, u32)> {
    match (factor, fault) {
        (Factor::Recovery, _) if !op.imported => None,
        (_, CodeFault::Expired | CodeFault::NoneOutstanding) => None,
        (Factor::App, _) => Some((Target::App, op.compared)),
        _ => target_of(factor).map(|target| (target, 1)),
    }
}

/// A ticket cannot be guessed, and who registers a device, or makes recovery codes, was shown them.
pub fn target_of(factor: Factor) -> Option<Target> {
    match factor {
        Factor::App => Some(Target::App),
        Factor::Email => Some(Target::Email),
        Factor::External(_) => Some(Target::External),
        Factor::Recovery => Some(Target::Recovery),
        _ => None,
    }
}

/// What is guessed at a step. Imported recovery codes say nothing before they are tried.
pub fn aim_of(step: Step) -> Option<Target> {
    match step {
        Step::AppCode => Some(Target::App),
        Step::EmailCode | Step::VerifyEmail => Some(Target::Email),
        Step::External(_) => Some(Target::External),
        _ => None,
    }
}

pub fn is_begun(kind: &EventKind) -> bool {
    use EventKind::{CompletionBegun, LoginBegun, RegistrationBegun, StepUpBegun};
    matches!(kind, CompletionBegun | LoginBegun | RegistrationBegun | StepUpBegun)
}

pub fn is_completed(kind: &EventKind) -> bool {
    use EventKind::{CompletionCompleted, LoginCompleted, RegistrationCompleted, StepUpCompleted};
    matches!(kind, CompletionCompleted | LoginCompleted | RegistrationCompleted | StepUpCompleted)
}

pub fn ends_sessions(kind: &EventKind) -> bool {
    use EventKind::*;
    matches!(kind, AddressChanged | DeviceAdded { .. } | DeviceRemoved { .. } | DeviceReplaced { .. })
        || matches!(kind, ExternalAdded { .. } | ExternalRemoved { .. } | FactorsImported { .. })
        || matches!(kind, FactorsReset { .. } | SessionsEnded { .. } | UserErased { .. })
}

/// The notice that an event owes.
pub fn notice_of(kind: &EventKind, resets: bool) -> Option<&'static str> {
    Some(match kind {
        EventKind::AddressChangePermitted => "address_change_permitted",
        EventKind::BrowserTrustEnded { cause: TrustEnd::Reused, .. } => "browser_token_reused",
        EventKind::BrowserTrusted { .. } => "browser_trusted",
        // A reset and an import name what they remove and add.
        EventKind::DeviceAdded { .. } if !resets => "device_added",
        EventKind::DeviceRemoved { .. } if !resets => "device_removed",
        EventKind::DeviceReplaced { .. } => "device_replaced",
        EventKind::ExternalAdded { .. } => "factor_added",
        EventKind::ExternalRemoved { .. } if !resets => "factor_removed",
        EventKind::FactorsReset { .. } => "factors_reset",
        EventKind::GuessesGranted => "unblocked",
        EventKind::GuessesRestored { by: Some(_) } if !resets => "unblocked",
        EventKind::RecoveryCodeUsed { .. } => "recovery_code_used",
        EventKind::RecoveryCodesRenewed => "recovery_codes_renewed",
        _ => return None,
    })
}
