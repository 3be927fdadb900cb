//! What the portal does without a request: it sends notices that are owed, and completes deletions that were cut off.

use std::time::Duration;

use factorgate::admin::Administrator;
use tokio::sync::watch::Receiver;
use tokio::time::MissedTickBehavior;

use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::mfa;

/// Works every `interval` until `stopped`.
pub(crate) async fn run(app: App, interval: Duration, mut stopped: Receiver<()>) {
    // An interval of nothing would panic.
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A sender that is gone stops the work too.
            _ = stopped.changed() => return,
            _ = ticks.tick() => {}
        }
        if let Err(failure) = erase(&app).await {
            eprintln!("portal: a deletion is not complete: {failure}");
        }
        match send_owed_notices(&app, &stopped).await {
            Ok((0, 0)) => {}
            Ok((sent, failed)) => println!("portal: owed notices: {sent} sent, {failed} failed"),
            Err(failure) => eprintln!("portal: owed notices were not sent: {failure}"),
        }
    }
}

/// Sends what is owed to each user. Returns how many notices were sent, and how many were not.
async fn send_owed_notices(app: &App, stopped: &Receiver<()>) -> Result<(usize, usize), Failure> {
    let (mut sent, mut failed) = (0, 0);
    for user in accounts::all(&app.db).await? {
        if stopped.has_changed().unwrap_or(true) {
            break;
        }
        match send_to(app, &user).await {
            Ok((some, others)) => (sent, failed) = (sent + some, failed + others),
            // A failure concerns one user. The notices of the others are sent.
            Err(failure) => eprintln!("portal: the notices of user {} were not sent: {failure}", user.id),
        }
    }
    Ok((sent, failed))
}

async fn send_to(app: &App, user: &User) -> Result<(usize, usize), Failure> {
    let before = mfa::status(app, user).await?.owed_notices;
    if before == 0 {
        return Ok((0, 0));
    }
    app.mfa.maintenance().send_owed_notices(&mfa::user_id(user)?).await?;
    let after = mfa::status(app, user).await?.owed_notices;
    Ok((before.saturating_sub(after), after))
}

/// Erases the factors of users whose row is deleted.
async fn erase(app: &App) -> Result<(), Failure> {
    let portal = Administrator::host("portal").map_err(Failure::internal)?;
    for id in accounts::to_erase(&app.db).await? {
        app.mfa.admin(&portal).erase_user(&mfa::id_of_row(id)?).await?;
        accounts::note_erased(&app.db, id).await?;
    }
    Ok(())
}
