//! Who sends a request.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use factorgate::{Authenticated, Evidence};
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
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) token: Token,
    pub(crate) session: Option<Session>,
    /// What the last page had to say.
    pub(crate) notice: Option<Notice>,
}

/// A session: it exists only after every step of a sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: User,
    /// What was proved, in words.
    pub(crate) proved: String,
    pub(crate) created_at: i64,
}

/// A visitor who is signed in. Whoever is not is sent to the sign-in page.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) visitor: Visitor,
    pub(crate) session: Session,
}

/// A visitor who is signed in as an administrator. For others the page does not exist.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) SignedIn);

/// Gives every browser a token, and finds its session.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match visitor(&app.db, request.headers()).await {
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
    sqlx::query("INSERT INTO sessions (digest, user_id, proved, created_at, seen_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&token.digest()[..])
        .bind(mfa::row_id(passed.user())?)
        .bind(in_words(passed.evidence()))
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

/// Ends every session of a user but one: the factors have changed, and others may have been in.
pub(crate) async fn close_others(db: &SqlitePool, user: i64, but: Option<&Token>) -> Result<(), Failure> {
    let kept = but.map(|token| token.digest().to_vec()).unwrap_or_default();
    sqlx::query("DELETE FROM sessions WHERE user_id = ? AND digest <> ?").bind(user).bind(kept).execute(db).await?;
    Ok(())
}

/// What was proved, as the dashboard tells it.
fn in_words(evidence: &Evidence) -> String {
    let proofs = [
        (evidence.ticket.is_some(), "a ticket of the administrator"),
        (evidence.email_code.is_some(), "an e-mail code"),
        (evidence.app_code.is_some(), "a code of the smartphone"),
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

async fn visitor(db: &SqlitePool, headers: &HeaderMap) -> Result<(Visitor, bool), Failure> {
    let notice = cookie::read(headers, cookie::NOTICE).and_then(Notice::parse);
    match cookie::read(headers, cookie::SESSION).and_then(Token::parse) {
        Some(token) => Ok((Visitor { session: find(db, &token).await?, token, notice }, false)),
        None => Ok((Visitor { session: None, token: Token::mint()?, notice }, true)),
    }
}

async fn find(db: &SqlitePool, token: &Token) -> Result<Option<Session>, Failure> {
    let now = db::now()?;
    let row: Option<(i64, String, i64)> = sqlx::query_as(
        "UPDATE sessions SET seen_at = ?1 WHERE digest = ?2 AND seen_at >= ?1 - ?3 AND created_at >= ?1 - ?4
         RETURNING user_id, proved, created_at",
    )
    .bind(now)
    .bind(&token.digest()[..])
    .bind(IDLE)
    .bind(LONGEST)
    .fetch_optional(db)
    .await?;
    let Some((user, proved, created_at)) = row else { return Ok(None) };
    Ok(accounts::by_id(db, user).await?.map(|user| Session { user, proved, created_at }))
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
