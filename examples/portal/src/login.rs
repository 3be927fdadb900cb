//! The joint between the portal's pages and the library.

use factorgate::policy::{Plan, Standing};

use crate::accounts::User;
use crate::app::App;
use crate::error::Failure;
use crate::settings::Settings;

/// Where a sign-in stands.
pub(crate) enum Progress {
    /// Everything was proved.
    Done { user: i64, proved: String },
    /// There is no way in.
    Denied,
}

/// The password was right.
pub(crate) async fn begin(app: &App, user: &User) -> Result<Progress, Failure> {
    let policy = Settings::policy(&app.db).await?;
    Ok(match policy.evaluate(&Standing::new()) {
        Plan::Allow { .. } => Progress::Done { user: user.id, proved: "Password".to_owned() },
        _ => Progress::Denied,
    })
}

/// A registered smartphone.
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) since: String,
}

pub(crate) async fn devices(_app: &App, _user: &User) -> Result<Vec<Device>, Failure> {
    Ok(Vec::new())
}
