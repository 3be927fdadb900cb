//! What follows the password.

use axum::Router;

use super::steps::DeniedPage;
use super::{Page, Shell, go, show};
use crate::app::App;
use crate::login::Progress;
use crate::session::{self, Visitor};

pub(super) fn router() -> Router<App> {
    Router::new()
}

/// On to the next page of a sign-in.
pub(super) async fn advance(app: &App, visitor: &Visitor, progress: Progress) -> Page {
    match progress {
        Progress::Done { user, proved } => {
            let mut response = go("/dashboard");
            session::open(app, visitor, user, &proved, response.headers_mut()).await?;
            Ok(response)
        }
        Progress::Denied => show(&DeniedPage {
            shell: Shell::new(app, visitor, "Sign in", ""),
            heading: "You cannot sign in yet",
            text: String::new(),
            remedy: String::new(),
        }),
    }
}
