//! A JSON API on actix-web. An encrypted cookie keeps the claims and the open flows. It knows no browsers (`from_browser`).

mod store;
mod users;

use std::{collections::HashMap, env::var, error::Error};

use actix_session::{Session as Cookie, SessionMiddleware, storage::CookieSessionStore};
use actix_web::web::{self, Data, Json, delete, get, post, put};
use actix_web::{App, FromRequest, HttpResponse, HttpServer, Route, cookie::Key, cookie::SameSite, http::StatusCode};
use factorgate::{
    Action, Authenticated, Elevated, Flow, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal, SessionClaims,
    blocking::Mailer, blocking::Ready, env::OsRandom, keys::ServerKey, keys::ServerKeys, mail::Mail, mail::Undelivered,
    otpauth::Issuer, policy::Policy, session::Completion, session::SessionCheck, session::StepUp,
};
use serde_json::{Value, json};

use crate::{store::Sqlite, users::Form};

type Engine = Mfa<Ready<Sqlite>, Ready<Post>>;

/// Prints each mail. A real host sends it, and tells a refused mail from one whose fate is unknown.
struct Post;

impl Mailer for Post {
    type Error = std::io::Error;

    fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
        println!("\nTo: {}\n{}", mail.to().as_str(), mail.text().expose_secret());
        Ok(())
    }
}

/// An answer that is not 200.
struct Refused(StatusCode, Value);
type Answer = Result<Value, Refused>;

impl<E: Error + 'static> From<E> for Refused {
    fn from(error: E) -> Self {
        let Some(refusal) = (&error as &dyn Error).downcast_ref::<Refusal>() else {
            eprintln!("{error:?}");
            return Self(StatusCode::SERVICE_UNAVAILABLE, json!({"error": "try again later"}));
        };
        let ended = *refusal == Refusal::SessionEnded;
        Self(if ended { StatusCode::UNAUTHORIZED } else { StatusCode::CONFLICT }, json!({"refusal": refusal}))
    }
}

/// One request. The cookie keeps the claims, and a reference to each open flow.
struct Visit<'a> {
    cookie: HashMap<String, String>,
    db: &'a Sqlite,
    mfa: &'a Engine,
}

/// Makes a route of `work`, which runs on a thread that may block.
fn run<T: FromRequest + Send + 'static>(
    route: Route,
    work: impl AsyncFn(&mut Visit<'_>, T) -> Answer + Copy + Send + 'static,
) -> Route {
    route.to(move |host: Data<(Sqlite, Engine)>, session: Cookie, input: T| async move {
        let before: HashMap<String, String> = session.get("kept")?.unwrap_or_default();
        let operations = move || {
            let mut visit = Visit { cookie: before.clone(), db: &host.0, mfa: &host.1 };
            let answer = visit.mfa.wait(work(&mut visit, input));
            (answer, (visit.cookie != before).then_some(visit.cookie))
        };
        let (answer, changed) = web::block(operations).await?;
        changed.map(|cookie| session.insert("kept", cookie)).transpose()?;
        let Refused(status, body) = answer.map_or_else(|refused| refused, |page| Refused(StatusCode::OK, page));
        Ok::<_, actix_web::Error>(HttpResponse::build(status).json(body))
    })
}

impl Visit<'_> {
    async fn check(&self) -> Result<SessionCheck, Refused> {
        let Some(claims) = self.cookie.get("claims") else { return Ok(SessionCheck::Ended) };
        let claims = SessionClaims::from_text(claims)?;
        let Some(user) = self.db.user(claims.user())? else { return Ok(SessionCheck::Ended) };
        Ok(self.mfa.check_session(&claims, &user.row()?, &self.db.policy()?).await?)
    }

    /// Returns the fresh proof that a dangerous operation needs. Without one, the answer is the step-up to complete first.
    async fn fresh(&mut self) -> Result<Elevated, Refused> {
        match self.mfa.profile(self.check().await?.session()?).begin_step_up(Elevated::LIFETIME).await? {
            Outcome::Done(elevated) => Ok(elevated),
            outcome => Err(Refused(StatusCode::FORBIDDEN, self.respond(outcome)?)),
        }
    }

    /// Shows the next step of a flow, or opens the session at its end.
    fn respond<F: Flow>(&mut self, outcome: Outcome<F>) -> Answer {
        self.cookie.remove(F::NAME);
        self.cookie.extend(outcome.flow().map(|flow| (F::NAME.to_owned(), flow.to_cookie())));
        match outcome {
            Outcome::Done(done) => self.open(done.into()),
            Outcome::Denied(denied) => Err(denied.refusal().into()),
            Outcome::Challenge(challenge) => Ok(json!({"flow": F::NAME, "challenge": challenge})),
            Outcome::Enroll(enroll) => Ok(json!({"flow": F::NAME, "enroll": enroll})),
        }
    }

    /// Opens a session or continues it. No other function writes a session.
    fn open(&mut self, passed: Authenticated) -> Answer {
        let user = self.db.signed_in(passed.user(), passed.verified_address())?.ok_or(Refusal::AccountChanged)?;
        self.cookie.insert("claims".to_owned(), passed.into_session(&user.row()?)?.to_text());
        Ok(json!({"signed_in": user.name}))
    }
}

async fn login(visit: &mut Visit<'_>, Json(form): Json<Form>) -> Answer {
    let wrong = || Refused(StatusCode::UNAUTHORIZED, json!({"error": "wrong name or password"}));
    let user = visit.db.with_password(&form)?.ok_or_else(wrong)?;
    visit.respond(visit.mfa.begin_login(PrimaryVerified::assertion(user.row()?), &visit.db.policy()?).await?)
}

async fn submit<F: Flow>(visit: &mut Visit<'_>, Json(action): Json<Action>) -> Answer {
    let flow = FlowRef::<F>::from_cookie(visit.cookie.get(F::NAME).ok_or(Refusal::FlowEnded)?)?;
    visit.respond(visit.mfa.submit(&flow, F::by(&visit.db.policy()?, &visit.check().await?)?, action).await?)
}

async fn complete(visit: &mut Visit<'_>, (): ()) -> Answer {
    visit.respond(visit.mfa.begin_completion(visit.check().await?.owing()?).await?)
}

async fn status(visit: &mut Visit<'_>, (): ()) -> Answer {
    Ok(json!(visit.mfa.profile(visit.check().await?.session()?).status().await?))
}

async fn password(visit: &mut Visit<'_>, Json(form): Json<Form>) -> Answer {
    let fresh = visit.fresh().await?;
    let user = visit.db.set_password(fresh.user(), &form)?.ok_or(Refusal::AccountChanged)?;
    visit.open(visit.mfa.profile(fresh.session()).password_changed(&user.row()?).await??)
}

async fn delete_account(visit: &mut Visit<'_>, (): ()) -> Answer {
    let fresh = visit.fresh().await?;
    visit.db.delete(fresh.user())?;
    visit.mfa.elevated(&fresh).erase_user().await?;
    visit.cookie.clear();
    Ok(json!({"deleted": true}))
}

async fn set_policy(visit: &mut Visit<'_>, Json(policy): Json<Policy>) -> Answer {
    let forbidden = || Refused(StatusCode::FORBIDDEN, json!({"error": "only an administrator can do this"}));
    visit.db.set_policy(visit.fresh().await?.user(), &policy)?.ok_or_else(forbidden)?;
    Ok(json!(policy))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (db, keys) = (Sqlite::open(":memory:")?, ServerKeys::new(ServerKey::generate(&OsRandom)?));
    let mfa = Mfa::builder(Ready(db.clone()), Ready(Post), keys, Issuer::new("ACME")?).build()?;
    let (host, key) = (Data::new((db, mfa)), Key::generate());
    let server = HttpServer::new(move || {
        let cookies = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        App::new()
            .wrap(cookies.cookie_same_site(SameSite::Strict).build())
            .app_data(host.clone())
            .route("/sign-up", post().to(users::sign_up))
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
    let server = server.bind(var("LISTEN").as_deref().unwrap_or("127.0.0.1:3002"))?;
    server.addrs().iter().for_each(|at| println!("{}", include_str!("next.txt").replace("HOST", &at.to_string())));
    Ok(server.run().await?)
}
