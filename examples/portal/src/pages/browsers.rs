//! The browsers that a user trusts.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use factorgate::Refusal;
use factorgate::browser::{BrowserId, BrowserName};

use super::{Page, go_and_say};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{self, SignedIn};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/profile/browsers/revoke", post(revoke_all))
        .route("/profile/browsers/{id}/revoke", post(revoke))
}

async fn revoke(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    match app.mfa.profile(signed_in.engine()?).revoke_browser(BrowserId::new(id)).await? {
        Ok(()) => go_and_say("/profile", Notice::BrowserRevoked),
        Err(Refusal::Unknown) => Err(Failure::NotFound),
        Err(refusal) => Err(refusal.into()),
    }
}

/// With the trust in every browser every other session ends: some of them may rest on it.
async fn revoke_all(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    let passed = app.mfa.profile(signed_in.engine()?).sign_out_elsewhere().await??;
    session::go_on(&app, &signed_in.visitor, passed).await?;
    go_and_say("/profile", Notice::BrowsersRevoked)
}

/// What a browser is called, by what it says it is.
pub(super) fn name(user_agent: &str) -> Result<BrowserName, Failure> {
    // The first that matches: most browsers name others after themselves.
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    let text = match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser".to_owned(),
    };
    BrowserName::new(&text).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_by_what_people_call_it() {
        for (user_agent, called) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            ("<script>", "A browser"),
            ("", "A browser"),
        ] {
            assert_eq!(name(user_agent).unwrap().as_str(), called, "{user_agent}");
        }
    }
}
