//! Who sends a request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use factorgate::browser::BrowserToken;
use factorgate::login::Evidence;
use factorgate::policy::Policy;
use factorgate::session::SessionCheck;
use factorgate::{Authenticated, Refusal, SessionClaims};
use sqlx::SqlitePool;

use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::token::Token;
use crate::{cookie, db, mfa, policies};

/// A session ends after half an hour without a request, and after twelve hours in any case.
const IDLE: i64 = 30 * 60;
const LONGEST: i64 = 12 * 60 * 60;

/// Whoever sends the request: a browser with a token of its own, and perhaps a user with a session.
///
/// `Debug` is not derived: its cookies are among the headers.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) token: Token,
    /// The session, valid or owing steps. The engine has checked it for this request.
    pub(crate) session: Option<Session>,
    /// What the last page had to say.
    pub(crate) notice: Option<Notice>,
    /// Whether the user who signs in wishes to trust this browser.
    pub(crate) trusts: bool,
    /// What the flow in which something is registered is for.
    pub(crate) wish: Wish,
    headers: Arc<HeaderMap>,
}

/// What a user has begun to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Device,
    Passkey,
    /// A device in the place of this one.
    Replacement(u64),
}

impl Wish {
    fn word(self) -> String {
        match self {
            Self::Device => "device".to_owned(),
            Self::Passkey => "passkey".to_owned(),
            Self::Replacement(id) => format!("replace-{id}"),
        }
    }

    /// The word came from the browser: what is none of ours is the usual wish.
    fn parse(word: &str) -> Self {
        match word.strip_prefix("replace-").map(str::parse) {
            Some(Ok(id)) => Self::Replacement(id),
            _ if word == "passkey" => Self::Passkey,
            _ => Self::Device,
        }
    }

    /// Tells the next requests what is registered.
    pub(crate) fn remember(self, headers: &mut HeaderMap) -> Result<(), Failure> {
        match self {
            Self::Device => cookie::clear(headers, cookie::KIND),
            _ => cookie::set(headers, cookie::KIND, &self.word(), None),
        }
    }
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

    /// What the engine says of the session.
    pub(crate) fn check(&self) -> &SessionCheck {
        self.session.as_ref().map_or(&SessionCheck::Ended, |session| &session.check)
    }

    /// Whether the session may see pages other than those that complete it.
    pub(crate) fn is_signed_in(&self) -> bool {
        matches!(self.check(), SessionCheck::Valid(_))
    }
}

/// A session that the engine has checked, against the user's row and the policy of now.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: User,
    /// What was proved, and when.
    pub(crate) claims: SessionClaims,
    pub(crate) policy: Arc<Policy>,
    pub(crate) created_at: i64,
    check: Arc<SessionCheck>,
}

impl Session {
    /// What was proved, as the dashboard tells it.
    pub(crate) fn proved(&self) -> String {
        in_words(self.claims.evidence())
    }
}

/// A visitor whose session is valid. Others are sent to complete it, or to the sign-in page.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) visitor: Visitor,
    pub(crate) session: Session,
}

impl SignedIn {
    /// The session, as the engine takes it.
    pub(crate) fn engine(&self) -> Result<&factorgate::Session, Failure> {
        Ok(self.session.check.session()?)
    }
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
/// This is the one place where a session is opened, and it takes what the engine gives for a whole sign-in only. The row is
/// read here, after the sign-in: if the password or the address has changed meanwhile, or the account was disabled or deleted,
/// no session is opened.
pub(crate) async fn open(
    app: &App,
    visitor: &Visitor,
    passed: Authenticated,
    headers: &mut HeaderMap,
) -> Result<Result<Session, Refusal>, Failure> {
    let Some(user) = accounts::by_id(&app.db, mfa::row_id(passed.user())?).await? else {
        return Ok(Err(Refusal::AccountChanged));
    };
    // A sign-in that has read the row before it was disabled comes too late.
    if user.disabled {
        return Ok(Err(Refusal::AccountChanged));
    }
    let row = mfa::row(app, &user)?;
    remember_browser(headers, passed.browser())?;
    let claims = match passed.into_session(&row) {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    end(&app.db, &visitor.token).await?;
    let token = Token::mint()?;
    let now = db::now()?;
    sqlx::query("INSERT INTO sessions (digest, user_id, claims, created_at, seen_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&token.digest()[..])
        .bind(user.id)
        .bind(claims.to_text())
        .bind(now)
        .bind(now)
        .execute(&app.db)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE created_at < ? OR seen_at < ?")
        .bind(now - LONGEST)
        .bind(now - IDLE)
        .execute(&app.db)
        .await?;
    hand_out(headers, &token)?;
    Ok(checked(app, user, claims, now).await?.ok_or(Refusal::SessionEnded))
}

/// Keeps the token by which the engine knows the browser, if there is a new one. Signing out does not clear it: it opens
/// nothing, and without it an attacker's wrong codes would block this browser too.
pub(crate) fn remember_browser(headers: &mut HeaderMap, token: Option<&BrowserToken>) -> Result<(), Failure> {
    let Some(token) = token else { return Ok(()) };
    let name = cookie::browser_of(mfa::row_id(token.user())?);
    cookie::set(headers, &name, &token.to_cookie(), Some(BrowserToken::LIFETIME.as_secs()))
}

/// Ends the session, and gives the browser a token that was never a session's.
pub(crate) async fn close(app: &App, visitor: &Visitor, headers: &mut HeaderMap) -> Result<(), Failure> {
    end(&app.db, &visitor.token).await?;
    hand_out(headers, &Token::mint()?)
}

/// Continues a session with the claims that the engine gives, under a new id: somebody may have a copy of the old one.
pub(crate) async fn move_on(
    app: &App,
    visitor: &Visitor,
    session: &Session,
    claims: SessionClaims,
    headers: &mut HeaderMap,
) -> Result<SignedIn, Failure> {
    let token = Token::mint()?;
    let moved = sqlx::query("UPDATE sessions SET digest = ?, claims = ? WHERE digest = ?")
        .bind(&token.digest()[..])
        .bind(claims.to_text())
        .bind(&visitor.token.digest()[..])
        .execute(&app.db)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(Failure::SignedOut);
    }
    hand_out(headers, &token)?;
    let session = Session { claims, ..session.clone() };
    Ok(SignedIn { visitor: Visitor { token, session: Some(session.clone()), ..visitor.clone() }, session })
}

/// Continues a session after a change that it has made itself, and that ended every other one. The row is read here, after
/// the change.
pub(crate) async fn go_on(app: &App, visitor: &Visitor, passed: Authenticated) -> Result<(), Failure> {
    let user = accounts::find(&app.db, mfa::row_id(passed.user())?).await?;
    let claims = passed.into_session(&mfa::row(app, &user)?)?;
    sqlx::query("UPDATE sessions SET claims = ? WHERE digest = ?")
        .bind(claims.to_text())
        .bind(&visitor.token.digest()[..])
        .execute(&app.db)
        .await?;
    close_others(&app.db, user.id, Some(&visitor.token)).await
}

/// As [`go_on`], under a new id: a copy of the session's cookie may be the reason of the change.
pub(crate) async fn go_on_alone(
    app: &App,
    signed_in: &SignedIn,
    passed: Authenticated,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let user = accounts::find(&app.db, mfa::row_id(passed.user())?).await?;
    let claims = passed.into_session(&mfa::row(app, &user)?)?;
    let SignedIn { visitor, .. } = move_on(app, &signed_in.visitor, &signed_in.session, claims, headers).await?;
    close_others(&app.db, user.id, Some(&visitor.token)).await
}

/// Continues a session that has completed what it owed, under a new id.
pub(crate) async fn complete(
    app: &App,
    visitor: &Visitor,
    session: &Session,
    passed: Authenticated,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let user = accounts::find(&app.db, mfa::row_id(passed.user())?).await?;
    let registered = passed.evidence().registered != session.claims.evidence().registered;
    remember_browser(headers, passed.browser())?;
    let claims = passed.into_session(&mfa::row(app, &user)?)?;
    let SignedIn { visitor, .. } = move_on(app, visitor, session, claims, headers).await?;
    match registered {
        // What was opened without the smartphone was opened by less than is asked for now.
        true => close_others(&app.db, user.id, Some(&visitor.token)).await,
        false => Ok(()),
    }
}

/// Ends every session of a user but one: the factors have changed, and others may have been in.
pub(crate) async fn close_others(db: &SqlitePool, user: i64, but: Option<&Token>) -> Result<(), Failure> {
    let kept = but.map(|token| token.digest().to_vec()).unwrap_or_default();
    sqlx::query("DELETE FROM sessions WHERE user_id = ? AND digest <> ?").bind(user).bind(kept).execute(db).await?;
    Ok(())
}

/// The open sessions that owe steps under the settings of now: their digests, and whose they are.
pub(crate) async fn owing(app: &App) -> Result<Vec<(Vec<u8>, i64)>, Failure> {
    let now = db::now()?;
    let open: Vec<(Vec<u8>, i64, String, i64)> = sqlx::query_as(
        "SELECT digest, user_id, claims, created_at FROM sessions WHERE seen_at >= ?1 - ?2 AND created_at >= ?1 - ?3",
    )
    .bind(now)
    .bind(IDLE)
    .bind(LONGEST)
    .fetch_all(&app.db)
    .await?;
    let mut owing = Vec::new();
    for (digest, user, claims, created_at) in open {
        let found = accounts::by_id(&app.db, user).await?.zip(SessionClaims::from_text(&claims).ok());
        let Some((found, claims)) = found else { continue };
        let session = checked(app, found, claims, created_at).await?;
        if session.is_some_and(|session| matches!(*session.check, SessionCheck::Owes(_))) {
            owing.push((digest, user));
        }
    }
    Ok(owing)
}

/// Ends sessions by their digests.
pub(crate) async fn end_these(db: &SqlitePool, digests: &[Vec<u8>]) -> Result<(), Failure> {
    for digest in digests {
        sqlx::query("DELETE FROM sessions WHERE digest = ?").bind(digest).execute(db).await?;
    }
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
        (evidence.registered.is_some(), "the new smartphone"),
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
    let wish = cookie::read(headers, cookie::KIND).map_or(Wish::Device, Wish::parse);
    let headers = Arc::new(headers.clone());
    let (session, token, fresh) = match known {
        Some(token) => (find(app, &token).await?, token, false),
        None => (None, Token::mint()?, true),
    };
    Ok((Visitor { token, session, notice, trusts, wish, headers }, fresh))
}

/// The session of a token.
async fn find(app: &App, token: &Token) -> Result<Option<Session>, Failure> {
    let now = db::now()?;
    let found: Option<(i64, String, i64)> = sqlx::query_as(
        "SELECT user_id, claims, created_at FROM sessions
         WHERE digest = ?2 AND seen_at >= ?1 - ?3 AND created_at >= ?1 - ?4",
    )
    .bind(now)
    .bind(&token.digest()[..])
    .bind(IDLE)
    .bind(LONGEST)
    .fetch_optional(&app.db)
    .await?;
    let Some((user, claims, created_at)) = found else { return Ok(None) };
    let user = accounts::by_id(&app.db, user).await?;
    // Claims that cannot be read are of another version of the portal: the session has ended.
    let session = match user.zip(SessionClaims::from_text(&claims).ok()) {
        Some((user, claims)) => checked(app, user, claims, created_at).await?,
        None => None,
    };
    // A session that has ended is left in the table: a request beside this one may be about to give it new claims.
    if session.is_some() {
        let seen = sqlx::query("UPDATE sessions SET seen_at = ? WHERE digest = ?");
        seen.bind(now).bind(&token.digest()[..]).execute(&app.db).await?;
    }
    Ok(session)
}

/// Asks the engine for the session, on each request, by the row and the policy as they are now. `None`: it has ended.
async fn checked(app: &App, user: User, claims: SessionClaims, created_at: i64) -> Result<Option<Session>, Failure> {
    if user.disabled {
        return Ok(None);
    }
    let policy = policies::of(&app.db, user.id).await?;
    let check = app.mfa.check_session(&claims, &mfa::row(app, &user)?, &policy).await?;
    if matches!(check, SessionCheck::Ended) {
        return Ok(None);
    }
    Ok(Some(Session { user, claims, policy: Arc::new(policy), created_at, check: Arc::new(check) }))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(|| Failure::internal("the session layer is missing"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        visitor.check().session()?;
        let session = visitor.session.clone().ok_or(Failure::SignedOut)?;
        Ok(Self { visitor, session })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        if signed_in.session.user.is_admin { Ok(Self(signed_in)) } else { Err(Failure::NotFound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wish_is_read_back_and_nothing_else_is() {
        for wish in [Wish::Device, Wish::Passkey, Wish::Replacement(7)] {
            assert_eq!(Wish::parse(&wish.word()), wish);
        }
        for word in ["", "replace-", "replace-x", "replace--1", "passkeys"] {
            assert_eq!(Wish::parse(word), Wish::Device, "{word}");
        }
    }
}
