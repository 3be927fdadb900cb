//! A JSON API on actix-web and a database that blocks. An encrypted cookie keeps the claims and the open flows.

mod store;
mod web;

use std::{collections::HashMap, env::var, net::TcpListener, time::Duration};

use actix_session::{SessionMiddleware, storage::CookieSessionStore};
use actix_web::web::{Data, delete, get, post, put};
use actix_web::{App, HttpServer, cookie::Key, cookie::SameSite, http::StatusCode as Status};
use factorgate::{
    Action, Authenticated, Elevated, EmailAddress, Flow, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal,
    SessionClaims, blocking, blocking::Ready, env::OsRandom, keys::ServerKey, keys::ServerKeys, mail::Mail,
    mail::Undelivered, otpauth::Issuer, policy::Policy, session::Completion, session::SessionCheck, session::StepUp,
};
use serde_json::json;

use crate::store::Sqlite;
use crate::web::{Answer, Reply, run};

const FRESH: Duration = Duration::from_secs(300);

/// Prints each mail. A real host sends it, and tells a refused mail from one whose fate is unknown.
struct Post;

impl blocking::Mailer for Post {
    type Error = std::io::Error;

    fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<std::io::Error>> {
        println!("\nTo: {}\n{}", mail.to().as_str(), mail.text().expose_secret());
        Ok(())
    }
}

struct Host {
    db: Sqlite,
    mfa: Mfa<Ready<Sqlite>, Ready<Post>>,
}

/// One request, on a thread that may block.
struct Visit<'a> {
    check: SessionCheck,
    cookie: HashMap<String, String>,
    host: &'a Host,
    policy: Policy,
}

impl<'a> Visit<'a> {
    async fn new(host: &'a Host, cookie: HashMap<String, String>) -> Result<Self, Reply> {
        let policy = host.db.policy()?;
        let claims = cookie.get("claims").and_then(|json| serde_json::from_str::<SessionClaims>(json).ok());
        let user = claims.as_ref().map(|claims| host.db.user(claims.user())).transpose()?.flatten();
        let check = match (claims, user) {
            (Some(claims), Some(user)) => host.mfa.check_session(&claims, &user.row()?, &policy).await?,
            _ => SessionCheck::Ended,
        };
        Ok(Self { check, cookie, host, policy })
    }

    /// Returns the fresh proof that a dangerous operation needs. Without one, the answer is the step-up to complete first.
    async fn fresh(&self) -> Result<Elevated, Reply> {
        show(self.host.mfa.profile(self.check.session()?).begin_step_up(FRESH).await?, Status::FORBIDDEN)
    }

    fn respond<F: Flow>(&self, outcome: Outcome<F>) -> Answer {
        self.open(show(outcome, Status::OK)?.into(), F::NAME)
    }

    /// Opens a session or continues it, and ends the flow. No other function writes a session.
    fn open(&self, passed: Authenticated, flow: &'static str) -> Answer {
        if let Some(address) = passed.verified_address() {
            self.host.db.mark_verified(passed.user(), address)?;
        }
        let user = self.host.db.user(passed.user())?.ok_or(Refusal::AccountChanged)?;
        let claims = Some(passed.into_session(&user.row()?)?.to_text());
        Ok(Reply(Status::OK, json!({"signed_in": user.name}), vec![(flow, None), ("claims", claims)]))
    }
}

/// Returns the end of the flow, or what to show first.
fn show<F: Flow>(outcome: Outcome<F>, status: Status) -> Result<F::Done, Reply> {
    let cookie = vec![(F::NAME, outcome.flow().map(FlowRef::to_cookie))];
    Err(match outcome {
        Outcome::Done(done) => return Ok(done),
        Outcome::Denied(denied) => Reply(Status::CONFLICT, json!({"refusal": denied.refusal()}), cookie),
        Outcome::Challenge(challenge) => Reply(status, json!({"flow": F::NAME, "challenge": challenge}), cookie),
        Outcome::Enroll(enroll) => Reply(status, json!({"flow": F::NAME, "enroll": enroll}), cookie),
    })
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Form {
    email: String,
    name: String,
    password: String,
}

async fn sign_up(visit: &Visit<'_>, form: Form) -> Answer {
    visit.host.db.insert(&form.name, &EmailAddress::new(&form.email)?, &form.password)?;
    Ok(Reply(Status::CREATED, json!({}), vec![]))
}

async fn login(visit: &Visit<'_>, form: Form) -> Answer {
    let wrong = || Reply(Status::UNAUTHORIZED, json!({"error": "wrong name or password"}), vec![]);
    let user = visit.host.db.with_password(&form.name, &form.password)?.ok_or_else(wrong)?;
    visit.respond(visit.host.mfa.begin_login(PrimaryVerified::assertion(user.row()?), &visit.policy).await?)
}

async fn submit<F: Flow>(visit: &Visit<'_>, action: Action) -> Answer {
    let text: String = serde_json::from_str(visit.cookie.get(F::NAME).ok_or(Refusal::FlowEnded)?)?;
    let (flow, by) = (FlowRef::<F>::from_cookie(&text)?, F::by(&visit.policy, &visit.check)?);
    visit.respond(visit.host.mfa.submit(&flow, by, action).await?)
}

async fn complete(visit: &Visit<'_>, (): ()) -> Answer {
    visit.respond(visit.host.mfa.begin_completion(visit.check.owing()?).await?)
}

async fn status(visit: &Visit<'_>, (): ()) -> Answer {
    Ok(Reply(Status::OK, json!(visit.host.mfa.profile(visit.check.session()?).status().await?), vec![]))
}

async fn password(visit: &Visit<'_>, form: Form) -> Answer {
    let fresh = visit.fresh().await?;
    visit.host.db.set_password(fresh.user(), &form.password)?;
    let user = visit.host.db.user(fresh.user())?.ok_or(Refusal::AccountChanged)?; // as it is after the write
    visit.open(visit.host.mfa.profile(fresh.session()).password_changed(&user.row()?).await??, StepUp::NAME)
}

async fn delete_account(visit: &Visit<'_>, (): ()) -> Answer {
    let fresh = visit.fresh().await?;
    visit.host.db.delete(fresh.user())?;
    visit.host.mfa.elevated(&fresh).erase_user().await?;
    Ok(Reply(Status::OK, json!({"deleted": true}), vec![("claims", None)]))
}

async fn set_policy(visit: &Visit<'_>, policy: Policy) -> Answer {
    if visit.fresh().await?.user().as_str() != "1" {
        return Err(Reply(Status::FORBIDDEN, json!({"error": "only an administrator can do this"}), vec![]));
    }
    visit.host.db.set_policy(&policy)?;
    Ok(Reply(Status::OK, json!(policy), vec![]))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A host whose users are kept is behind HTTPS: its cookie is secure.
    let (db, key, secure) = match var("DATABASE") {
        Ok(file) => (Sqlite::open(&file)?, ServerKey::from_hex(&var("MFA_KEY")?)?, true),
        Err(_) => (Sqlite::open(":memory:")?, ServerKey::generate(&OsRandom)?, false),
    };
    let mfa = Mfa::builder(Ready(db.clone()), Ready(Post), ServerKeys::new(key), Issuer::new("ACME")?).build()?;
    let (host, key) = (Data::new(Host { db, mfa }), Key::generate());
    let listener = TcpListener::bind(var("LISTEN").as_deref().unwrap_or("127.0.0.1:3002"))?;
    let address = listener.local_addr()?.to_string();
    println!("host-actix listens on http://{address}\n{}", include_str!("next.txt").replace("HOST", &address));
    let server = HttpServer::new(move || {
        let cookies = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        App::new()
            .wrap(cookies.cookie_same_site(SameSite::Strict).cookie_secure(secure).build())
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
