//! What a user was about to change when a fresh proof was asked for: kept on the server, and done after the proof.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use factorgate::device::DeviceName;
use factorgate::{Elevated, EmailAddress};

use super::{Page, accounts, address, devices, exemption, groups, keys, security, unblock};
use crate::app::App;
use crate::policies::Scope;
use crate::session::SignedIn;
use crate::settings::Settings;

/// A step-up takes no longer.
const LIFETIME: Duration = Duration::from_secs(20 * 60);

/// A change that needs a fresh proof, with what was typed into its form.
pub(crate) enum Plan {
    ChangeAddress(EmailAddress),
    CreateGroup(String),
    DeleteAccount,
    DeleteUser(i64),
    DisableUser(i64),
    EnableUser(i64),
    EndOwingSessions(Scope),
    Reencrypt(i64),
    RemoveGroup(i64),
    Rename(u64, DeviceName),
    SaveMembers(i64, BTreeSet<i64>, bool),
    SaveSettings(Scope, Settings, bool),
    UnblockUser(i64),
    WithdrawExemption(i64),
    WithdrawSettings(Scope),
}

impl Plan {
    pub(super) fn is_administrators(&self) -> bool {
        !matches!(self, Self::ChangeAddress(_) | Self::DeleteAccount | Self::Rename(..))
    }

    pub(super) async fn act(self, app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
        match self {
            Self::ChangeAddress(email) => address::change_to(app, signed_in, &email, elevated).await,
            Self::CreateGroup(name) => groups::create_group(app, signed_in, name).await,
            Self::DeleteAccount => accounts::delete_account(app, signed_in, elevated).await,
            Self::DeleteUser(id) => accounts::delete_user(app, signed_in, id).await,
            Self::DisableUser(id) => accounts::disable_user(app, signed_in, id).await,
            Self::EnableUser(id) => accounts::enable_user(app, signed_in, id).await,
            Self::EndOwingSessions(scope) => security::end_owing_sessions(app, signed_in, scope).await,
            Self::Reencrypt(after) => keys::reencrypt_after(app, signed_in, after).await,
            Self::RemoveGroup(id) => groups::remove_group(app, signed_in, id).await,
            Self::SaveMembers(id, members, accepts_lockout) => {
                groups::save_members(app, signed_in, id, members, accepts_lockout).await
            }
            Self::SaveSettings(scope, settings, accepts_lockout) => {
                security::save_settings(app, signed_in, scope, settings, accepts_lockout).await
            }
            Self::UnblockUser(id) => unblock::unblock_user(app, signed_in, id).await,
            Self::WithdrawExemption(id) => exemption::withdraw_exemption(app, signed_in, id).await,
            Self::WithdrawSettings(scope) => security::withdraw_settings(app, signed_in, scope).await,
            Self::Rename(id, name) => devices::rename_to(app, signed_in, id, &name, elevated).await,
        }
    }
}

/// The last plan of each session, by the number that the engine gives a session.
#[derive(Default)]
pub(crate) struct Plans(Mutex<HashMap<u64, (Plan, Instant)>>);

impl Plans {
    pub(super) fn keep(&self, session: u64, plan: Plan) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|_, (_, since)| since.elapsed() < LIFETIME);
        plans.insert(session, (plan, Instant::now()));
    }

    /// Takes the plan: nothing does it a second time.
    pub(super) fn take(&self, session: u64) -> Option<Plan> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        kept.filter(|(_, since)| since.elapsed() < LIFETIME).map(|(plan, _)| plan)
    }
}
