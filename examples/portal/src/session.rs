//! Who sends a request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use factorgate::{Authenticated, EpochChange, Evidence, MustRotateSession, SessionClaims};
use sqlx::SqlitePool;

use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::token::Token;
use crate::{cookie, db, mfa};

/// A session ends after half an hour without a request, and after twelve hours in any case.
const IDLE: i64 = 30 * 60;
const LONGEST: i64 = 12 * 60 * 60;

/// Whoever sends the request: a browser with a token of its own, and perhaps a user who is signed in.
///
/// `Debug` is not derived: its cookies are among the headers.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) token: Token,
    pub(crate) session: Option<Session>,
    /// What the last page had to say.
    pub(crate) notice: Option<Notice>,
    /// Whether the user who signs in wishes to trust this browser.
    pub(crate) trusts: bool,
    /// Whether the registration that is under way is that of a passkey.
    pub(crate) adds_passkey: bool,
    headers: Arc<HeaderMap>,
}

impl Visitor {
    /// A cookie that the browser sent.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        cookie::read(&self.headers, name)
    }

    /// What the browser says it is. It proves nothing, and serves to name it.
    pub(crate) fn user_agent(&self) -> &str {
        self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A session: it exists only after every step of a sign-in, and for as long as the engine finds that its claims hold.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: User,
    /// What was proved, and when.
    pub(crate) claims: SessionClaims,
    /// The engine's word that the claims held when the request came.
    pub(crate) valid: Arc<factorgate::SignedIn>,
    pub(crate) created_at: i64,
}

impl Session {
    /// What was proved, as the dashboard tells it.
    pub(crate) fn proved(&self) -> String {
        in_words(self.claims.evidence())
    }
}

/// A visitor who is signed in. Whoever is not is sent to the sign-in page.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) visitor: Visitor,
    pub(crate) session: Session,
}

/// A visitor who is signed in as an administrator. For others the page does not exist.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) SignedIn);

/// Gives every browser a token, and finds its session.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match visitor(&app, request.headers()).await {
        Err(failure) => failure.into_response(),
        Ok((visitor, fresh)) => {
            let token = visitor.token.clone();
            let said = visitor.notice.is_some();
            request.extensions_mut().insert(visitor);
            let mut response = next.run(request).await;
            match settle(response.headers_mut(), fresh.then_some(&token), said) {
                Ok(()) => response,
                Err(failure) => failure.into_response(),
            }
        }
    }
}

/// Opens a session under a new id, which the browser gets with `headers`. The old one, if any, ends.
///
/// This is the one place where a session is opened, and it takes what the engine gives for a whole sign-in only.
pub(crate) async fn open(
    app: &App,
    visitor: &Visitor,
    passed: &Authenticated,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    end(&app.db, &visitor.token).await?;
    let token = Token::mint()?;
    let now = db::now()?;
    sqlx::query("INSERT INTO sessions (digest, user_id, claims, created_at, seen_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&token.digest()[..])
        .bind(mfa::row_id(passed.user())?)
        .bind(passed.session().rotated().to_text())
        .bind(now)
        .bind(now)
        .execute(&app.db)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE created_at < ? OR seen_at < ?")
        .bind(now - LONGEST)
        .bind(now - IDLE)
        .execute(&app.db)
        .await?;
    hand_out(headers, &token)
}

/// Ends the session, and gives the browser a token that was never a session's.
pub(crate) async fn close(app: &App, visitor: &Visitor, headers: &mut HeaderMap) -> Result<(), Failure> {
    end(&app.db, &visitor.token).await?;
    hand_out(headers, &Token::mint()?)
}

/// Goes on with a session that has just proved something anew, under a new id as if it had been opened.
pub(crate) async fn raise(
    app: &App,
    signed_in: &SignedIn,
    raised: MustRotateSession,
    headers: &mut HeaderMap,
) -> Result<SignedIn, Failure> {
    move_on(app, signed_in, raised.rotated(), headers).await
}

/// Goes on with a session in which the password was changed, under a new id: a copy of its cookie may be the reason.
pub(crate) async fn go_on_alone(
    app: &App,
    signed_in: &SignedIn,
    change: &EpochChange,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let claims = signed_in.session.claims.clone().after(change);
    let SignedIn { visitor, session } = move_on(app, signed_in, claims, headers).await?;
    close_others(&app.db, session.user.id, Some(&visitor.token)).await
}

/// Gives a session new claims and a new id, which the browser gets with `headers`.
async fn move_on(
    app: &App,
    signed_in: &SignedIn,
    claims: SessionClaims,
    headers: &mut HeaderMap,
) -> Result<SignedIn, Failure> {
    let SignedIn { visitor, session } = signed_in;
    let token = Token::mint()?;
    let moved = sqlx::query("UPDATE sessions SET digest = ?, claims = ? WHERE digest = ?")
        .bind(&token.digest()[..])
        .bind(claims.to_text())
        .bind(&visitor.token.digest()[..])
        .execute(&app.db)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(Failure::Forged);
    }
    hand_out(headers, &token)?;
    let session = Session { claims, ..session.clone() };
    Ok(SignedIn { visitor: Visitor { token, session: Some(session.clone()), ..visitor.clone() }, session })
}

/// Goes on with a session after a change that it has made itself, and that ended every other one.
pub(crate) async fn go_on(db: &SqlitePool, signed_in: &SignedIn, change: &EpochChange) -> Result<(), Failure> {
    let SignedIn { visitor, session } = signed_in;
    sqlx::query("UPDATE sessions SET claims = ? WHERE digest = ?")
        .bind(session.claims.clone().after(change).to_text())
        .bind(&visitor.token.digest()[..])
        .execute(db)
        .await?;
    close_others(db, session.user.id, Some(&visitor.token)).await
}

/// Ends every session of a user but one: the factors have changed, and others may have been in.
pub(crate) async fn close_others(db: &SqlitePool, user: i64, but: Option<&Token>) -> Result<(), Failure> {
    let kept = but.map(|token| token.digest().to_vec()).unwrap_or_default();
    sqlx::query("DELETE FROM sessions WHERE user_id = ? AND digest <> ?").bind(user).bind(kept).execute(db).await?;
    Ok(())
}

fn in_words(evidence: &Evidence) -> String {
    let proofs = [
        (evidence.ticket.is_some(), "a ticket of the administrator"),
        (evidence.email_code.is_some(), "an e-mail code"),
        (evidence.app_code.is_some(), "a code of the smartphone"),
        (!evidence.external.is_empty(), "a passkey"),
        (evidence.recovery_code.is_some(), "a recovery code"),
        (evidence.trusted_browser.is_some(), "a browser that you trust"),
        (evidence.enrolled.is_some(), "the new smartphone"),
    ];
    let proofs = proofs.into_iter().filter_map(|(proved, words)| proved.then_some(words));
    std::iter::once("Password").chain(proofs).collect::<Vec<_>>().join(" + ")
}

async fn end(db: &SqlitePool, token: &Token) -> Result<(), Failure> {
    sqlx::query("DELETE FROM sessions WHERE digest = ?").bind(&token.digest()[..]).execute(db).await?;
    Ok(())
}

/// Hands out the token of a new browser, and takes back a notice that has been shown.
fn settle(headers: &mut HeaderMap, fresh: Option<&Token>, said: bool) -> Result<(), Failure> {
    if let Some(token) = fresh.filter(|_| !cookie::is_set(headers, cookie::SESSION)) {
        hand_out(headers, token)?;
    }
    let shown = said && !headers.contains_key(header::LOCATION) && !cookie::is_set(headers, cookie::NOTICE);
    if shown { cookie::clear(headers, cookie::NOTICE) } else { Ok(()) }
}

fn hand_out(headers: &mut HeaderMap, token: &Token) -> Result<(), Failure> {
    cookie::set(headers, cookie::SESSION, &token.to_text(), None)
}

async fn visitor(app: &App, headers: &HeaderMap) -> Result<(Visitor, bool), Failure> {
    let notice = cookie::read(headers, cookie::NOTICE).and_then(Notice::parse);
    let known = cookie::read(headers, cookie::SESSION).and_then(Token::parse);
    let trusts = cookie::read(headers, cookie::TRUST).is_some();
    let adds_passkey = cookie::read(headers, cookie::KIND).is_some();
    let headers = Arc::new(headers.clone());
    let (session, token, fresh) = match known {
        Some(token) => (find(app, &token).await?, token, false),
        None => (None, Token::mint()?, true),
    };
    Ok((Visitor { token, session, notice, trusts, adds_passkey, headers }, fresh))
}

/// The session of a token. The engine is asked on each request: a factor that was reset or removed ends it.
async fn find(app: &App, token: &Token) -> Result<Option<Session>, Failure> {
    let now = db::now()?;
    let row: Option<(i64, String, i64)> = sqlx::query_as(
        "UPDATE sessions SET seen_at = ?1 WHERE digest = ?2 AND seen_at >= ?1 - ?3 AND created_at >= ?1 - ?4
         RETURNING user_id, claims, created_at",
    )
    .bind(now)
    .bind(&token.digest()[..])
    .bind(IDLE)
    .bind(LONGEST)
    .fetch_optional(&app.db)
    .await?;
    let Some((user, claims, created_at)) = row else { return Ok(None) };
    let checked = match SessionClaims::from_text(&claims) {
        Ok(claims) => Some((app.mfa.check_session(&claims).await?, claims)),
        // Of another version of the portal: as if it had ended.
        Err(_) => None,
    };
    let Some((factorgate::Session::Valid(valid), claims)) = checked else {
        end(&app.db, token).await?;
        return Ok(None);
    };
    let user = accounts::by_id(&app.db, user).await?;
    Ok(user.map(|user| Session { user, claims, valid: Arc::new(valid), created_at }))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(|| Failure::internal("the session layer is missing"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await.map_err(|failure| failure.into_response())?;
        match visitor.session.clone() {
            Some(session) => Ok(Self { visitor, session }),
            None => Err(Redirect::to("/sign-in").into_response()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        if signed_in.session.user.is_admin { Ok(Self(signed_in)) } else { Err(Failure::NotFound.into_response()) }
    }
}
