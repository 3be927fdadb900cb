//! A JSON API on actix-web and a database that blocks. An encrypted cookie keeps the claims and the open flows.

mod store;

use std::{collections::HashMap, env::var, error::Error, net::TcpListener};

use actix_session::{Session as Cookie, SessionMiddleware, storage::CookieSessionStore};
use actix_web::web::{self, Data, Json, delete, get, post, put};
use actix_web::{App, FromRequest, HttpResponse, HttpServer, Route, cookie::Key, cookie::SameSite, http::StatusCode};
use factorgate::{
    Action, Authenticated, Elevated, EmailAddress, Flow, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal,
    SessionClaims, blocking::Ready, env::OsRandom, keys::ServerKey, keys::ServerKeys, otpauth::Issuer, policy::Policy,
    session::Completion, session::SessionCheck, session::StepUp,
};
use serde_json::{Value, json};

use crate::store::{Engine, Form, Post, Sqlite};

struct Reply(StatusCode, Value);
type Answer = Result<Reply, Reply>;

impl<E: Error + 'static> From<E> for Reply {
    fn from(error: E) -> Self {
        let Some(refusal) = (&error as &dyn Error).downcast_ref::<Refusal>() else {
            eprintln!("{error:?}");
            return Self(StatusCode::SERVICE_UNAVAILABLE, json!({"error": "try again later"}));
        };
        let ended = *refusal == Refusal::SessionEnded;
        let status = if ended { StatusCode::UNAUTHORIZED } else { StatusCode::CONFLICT };
        Self(status, json!({"refusal": refusal}))
    }
}

/// One request. The cookie keeps the claims, and a reference to each open flow.
struct Visit<'a> {
    check: SessionCheck,
    cookie: &'a mut HashMap<String, String>,
    db: &'a Sqlite,
    mfa: &'a Engine,
    policy: Policy,
}

/// Makes a route of `work`, which runs on a thread that may block.
fn run<T: FromRequest + Send + 'static>(
    route: Route,
    work: impl AsyncFn(&mut Visit<'_>, T) -> Answer + Copy + Send + 'static,
) -> Route {
    route.to(move |host: Data<(Sqlite, Engine)>, session: Cookie, input: T| async move {
        let before: HashMap<String, String> = session.get("kept")?.unwrap_or_default();
        let operations = move || {
            let ((db, mfa), mut cookie) = (&**host, before.clone());
            let answer = mfa.wait(async { work(&mut Visit::new(db, mfa, &mut cookie).await?, input).await });
            (answer.unwrap_or_else(|refused| refused), (cookie != before).then_some(cookie))
        };
        let (Reply(status, body), changed) = web::block(operations).await?;
        changed.map(|cookie| session.insert("kept", cookie)).transpose()?;
        Ok::<_, actix_web::Error>(HttpResponse::build(status).json(body))
    })
}

impl<'a> Visit<'a> {
    async fn new(db: &'a Sqlite, mfa: &'a Engine, cookie: &'a mut HashMap<String, String>) -> Result<Self, Reply> {
        let policy = db.policy()?;
        let claims = cookie.get("claims").map(|text| SessionClaims::from_text(text)).transpose()?;
        let user = claims.as_ref().map(|claims| db.user(claims.user())).transpose()?.flatten();
        let check = match claims.zip(user) {
            Some((claims, user)) => mfa.check_session(&claims, &user.row()?, &policy).await?,
            None => SessionCheck::Ended,
        };
        Ok(Self { check, cookie, db, mfa, policy })
    }

    /// Returns the fresh proof that a dangerous operation needs. Without one, the answer is the step-up to complete first.
    async fn fresh(&mut self) -> Result<Elevated, Reply> {
        match self.mfa.profile(self.check.session()?).begin_step_up(Elevated::LIFETIME).await? {
            Outcome::Done(elevated) => Ok(elevated),
            outcome => Err(Reply(StatusCode::FORBIDDEN, self.respond(outcome)?.1)),
        }
    }

    /// Shows the next step of a flow, or opens the session at its end.
    fn respond<F: Flow>(&mut self, outcome: Outcome<F>) -> Answer {
        self.cookie.remove(F::NAME);
        self.cookie.extend(outcome.flow().map(|flow| (F::NAME.to_owned(), flow.to_cookie())));
        let page = match outcome {
            Outcome::Done(done) => return self.open(done.into()),
            Outcome::Denied(denied) => return Err(denied.refusal().into()),
            Outcome::Challenge(challenge) => json!({"flow": F::NAME, "challenge": challenge}),
            Outcome::Enroll(enroll) => json!({"flow": F::NAME, "enroll": enroll}),
        };
        Ok(Reply(StatusCode::OK, page))
    }

    /// Opens a session or continues it. No other function writes a session.
    fn open(&mut self, passed: Authenticated) -> Answer {
        let user = self.db.signed_in(passed.user(), passed.verified_address())?.ok_or(Refusal::AccountChanged)?;
        self.cookie.insert("claims".to_owned(), passed.into_session(&user.row()?)?.to_text());
        Ok(Reply(StatusCode::OK, json!({"signed_in": user.name})))
    }
}

async fn sign_up(visit: &mut Visit<'_>, Json(form): Json<Form>) -> Answer {
    visit.db.insert(&form.name, &EmailAddress::new(&form.email)?, &form.password)?;
    Ok(Reply(StatusCode::CREATED, json!({})))
}

async fn login(visit: &mut Visit<'_>, Json(form): Json<Form>) -> Answer {
    let wrong = || Reply(StatusCode::UNAUTHORIZED, json!({"error": "wrong name or password"}));
    let user = visit.db.with_password(&form.name, &form.password)?.ok_or_else(wrong)?;
    visit.respond(visit.mfa.begin_login(PrimaryVerified::assertion(user.row()?), &visit.policy).await?)
}

async fn submit<F: Flow>(visit: &mut Visit<'_>, Json(action): Json<Action>) -> Answer {
    let flow = FlowRef::<F>::from_cookie(visit.cookie.get(F::NAME).ok_or(Refusal::FlowEnded)?)?;
    visit.respond(visit.mfa.submit(&flow, F::by(&visit.policy, &visit.check)?, action).await?)
}

async fn complete(visit: &mut Visit<'_>, (): ()) -> Answer {
    visit.respond(visit.mfa.begin_completion(visit.check.owing()?).await?)
}

async fn status(visit: &mut Visit<'_>, (): ()) -> Answer {
    Ok(Reply(StatusCode::OK, json!(visit.mfa.profile(visit.check.session()?).status().await?)))
}

async fn password(visit: &mut Visit<'_>, Json(form): Json<Form>) -> Answer {
    let fresh = visit.fresh().await?;
    let user = visit.db.set_password(fresh.user(), &form.password)?.ok_or(Refusal::AccountChanged)?;
    visit.open(visit.mfa.profile(fresh.session()).password_changed(&user.row()?).await??)
}

async fn delete_account(visit: &mut Visit<'_>, (): ()) -> Answer {
    let fresh = visit.fresh().await?;
    visit.db.delete(fresh.user())?;
    visit.mfa.elevated(&fresh).erase_user().await?;
    visit.cookie.clear();
    Ok(Reply(StatusCode::OK, json!({"deleted": true})))
}

async fn set_policy(visit: &mut Visit<'_>, Json(policy): Json<Policy>) -> Answer {
    let forbidden = || Reply(StatusCode::FORBIDDEN, json!({"error": "only an administrator can do this"}));
    visit.db.set_policy(visit.fresh().await?.user(), &policy)?.ok_or_else(forbidden)?;
    Ok(Reply(StatusCode::OK, json!(policy)))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (db, keys) = (Sqlite::open(":memory:")?, ServerKeys::new(ServerKey::generate(&OsRandom)?));
    let mfa = Mfa::builder(Ready(db.clone()), Ready(Post), keys, Issuer::new("ACME")?).build()?;
    let (host, key) = (Data::new((db, mfa)), Key::generate());
    let listener = TcpListener::bind(var("LISTEN").as_deref().unwrap_or("127.0.0.1:3002"))?;
    let address = listener.local_addr()?.to_string();
    println!("host-actix listens on http://{address}\n{}", include_str!("next.txt").replace("HOST", &address));
    let server = HttpServer::new(move || {
        let cookies = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        App::new()
            .wrap(cookies.cookie_same_site(SameSite::Strict).cookie_secure(false).build()) // secure behind HTTPS
            .app_data(host.clone())
            .route("/sign-up", run(post(), sign_up))
            .route("/login", run(post(), login))
            .route("/login/flow", run(post(), submit::<Login>))
            .route("/completion", run(post(), complete))
            .route("/completion/flow", run(post(), submit::<Completion>))
            .route("/step-up/flow", run(post(), submit::<StepUp>))
            .route("/devices", run(get(), status))
            .route("/password", run(put(), password))
            .route("/policy", run(put(), set_policy))
            .route("/account", run(delete(), delete_account))
    });
    Ok(server.listen(listener)?.run().await?)
}
