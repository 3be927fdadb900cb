//! Sign-ins that are in flight while the password or the address that they rest on is changed.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portal::{Config, Database, ForTests, Running};

use crate::people::{OFF, decided};
use crate::wire::{Answer, Visit, config, get, post, post_from};

const AT_ONCE: u32 = 16;
const ROUNDS: u32 = 200;
/// After so many rounds the test stops waiting for an outcome that has not occurred.
const MOST: u32 = 4_000;
const NEW_PASSWORD: &str = "another+horse+battery";

/// A portal, and what its tests keep between the rounds.
struct Track {
    portal: Running,
    clock: Arc<AtomicU64>,
    nobody: Visit,
    /// How long the last change took.
    change: Duration,
}

/// One user of one round, who is signed in.
struct Racer {
    id: i64,
    email: String,
    /// Passwords are counted for each client address too.
    from: Ipv4Addr,
    visit: Visit,
}

impl Track {
    async fn start(settings: &str, first_rows: bool) -> Self {
        let for_tests = ForTests { cheap_hashes: true, first_rows, ..ForTests::default() };
        let clock = Arc::clone(&for_tests.clock_ahead);
        let portal = portal::serve(Config { for_tests, ..config(Database::Memory) }).await.unwrap();
        decided(&portal, settings).await;
        let nobody = Visit::begin(&portal).await;
        Self { portal, clock, nobody, change: Duration::from_millis(20) }
    }

    /// Lets the pause between two codes pass.
    fn wait_for_the_next_code(&self) {
        self.clock.fetch_add(31, Ordering::Relaxed);
    }

    fn form(&self, email: &str) -> String {
        let email = email.replace('@', "%40");
        format!("name=User&email={email}&password=correct+horse+battery&csrf={}", self.nobody.csrf)
    }

    async fn post(&self, from: Ipv4Addr, path: &str, cookie: &str, body: &str) -> Answer {
        post_from(from, self.portal.addr, path, cookie, body).await
    }

    /// Signs a new user up and in, with the code that is mailed if one is asked for.
    async fn racer(&self, round: u32) -> Racer {
        let [_, _, high, low] = round.to_be_bytes();
        let from = Ipv4Addr::new(127, 1, high, low);
        let email = format!("user{round}@larkfield.example");
        let form = self.form(&email);
        assert_eq!(self.post(from, "/sign-up", &self.nobody.cookie, &form).await.status, 303);
        let mut answer = self.post(from, "/sign-in", &self.nobody.cookie, &form).await;
        if let Some(flow) = flow(&answer) {
            let code = self.codes_to(&email).await.pop().unwrap();
            answer = self.enter_code(from, &flow, &code).await;
        }
        let cookie = answer.cookie().unwrap_or_else(|| panic!("{}", answer.body));
        let csrf = get(&self.portal, "/profile", &cookie).await.csrf();
        let id = sqlx::query_scalar("SELECT id FROM users WHERE email = ?").bind(&email);
        let id = id.fetch_one(self.portal.database()).await.unwrap();
        Racer { id, email, from, visit: Visit { cookie, csrf } }
    }

    async fn enter_code(&self, from: Ipv4Addr, flow: &str, code: &str) -> Answer {
        let cookies = format!("{}; {flow}", self.nobody.cookie);
        self.post(from, "/sign-in/email", &cookies, &format!("csrf={}&code={code}", self.nobody.csrf)).await
    }

    /// The codes that were mailed to an address, the newest last.
    async fn codes_to(&self, email: &str) -> Vec<String> {
        let texts = sqlx::query_scalar("SELECT body_text FROM mails WHERE recipient = ? ORDER BY id").bind(email);
        let texts: Vec<String> = texts.fetch_all(self.portal.database()).await.unwrap();
        let code = |text: &String| {
            let (_, rest) = text.split_once("Your Larkfield code is ")?;
            Some(rest.chars().take_while(char::is_ascii_digit).collect())
        };
        texts.iter().filter_map(code).collect()
    }

    /// Signs the user in many times while `path` is posted. The change begins earlier or later from round to round, and the
    /// sign-ins are spread over the time before it, while it is made, and after it.
    async fn race(&mut self, round: u32, racer: &Racer, path: &str, fields: &str) -> Vec<Answer> {
        let (portal, from, form) = (self.portal.addr, racer.from, self.form(&racer.email));
        let lasts = self.change * 3;
        let mut sent = tokio::task::JoinSet::new();
        for n in 0..AT_ONCE {
            let (cookie, form) = (self.nobody.cookie.clone(), form.clone());
            sent.spawn(async move {
                tokio::time::sleep(lasts * n / AT_ONCE).await;
                post_from(from, portal, "/sign-in", &cookie, &form).await
            });
        }
        tokio::time::sleep(lasts * (round % 17) / 32).await;
        let begun = Instant::now();
        let body = format!("csrf={}&{fields}", racer.visit.csrf);
        let changed = self.post(from, path, &racer.visit.cookie, &body).await;
        assert_eq!(changed.header("location"), Some("/profile"), "{:?} {}", changed.headers, changed.body);
        self.change = begun.elapsed().min(Duration::from_millis(200));
        let answers = sent.join_all().await;
        assert_eq!(answers.len(), AT_ONCE as usize);
        answers
    }

    /// Whether the code opens a session that is valid.
    async fn opens(&self, from: Ipv4Addr, flow: &str, code: &str) -> bool {
        let entered = self.enter_code(from, flow, code).await;
        entered.header("location") == Some("/dashboard") && self.alive(&entered).await
    }

    async fn alive(&self, answer: &Answer) -> bool {
        let cookie = answer.cookie().unwrap_or_else(|| panic!("{}", answer.body));
        get(&self.portal, "/dashboard", &cookie).await.status == 200
    }
}

/// The reference of a sign-in that asks for a code.
fn flow(answer: &Answer) -> Option<String> {
    answer.cookie_of("__Host-login").filter(|_| answer.header("location") == Some("/sign-in/email"))
}

/// The outcomes of sign-ins.
#[derive(Debug, Default)]
struct Tally {
    /// A session was opened.
    opened: u32,
    /// The password or the address was not the user's any more.
    wrong: u32,
    /// The password was right, and the row has changed since it was read.
    stale: u32,
    /// A session was opened, and it is valid after the change.
    survived: u32,
    /// A step is asked for.
    begun: u32,
    /// A code was mailed to the old address after the change.
    mailed: u32,
}

impl Tally {
    /// Counts the answer to a sign-in.
    fn count(&mut self, answer: &Answer) {
        match (answer.header("location"), answer.cookie_of("__Host-notice").as_deref()) {
            (Some("/dashboard"), None) => self.opened += 1,
            (Some("/sign-in/email"), _) => self.begun += 1,
            (Some("/sign-in"), Some("__Host-notice=session-over")) => self.stale += 1,
            (Some(page), None) if page.starts_with("/sign-in?shown=") => self.wrong += 1,
            other => panic!("{other:?}: {} {}", answer.status, answer.body),
        }
    }
}

/// One round: the user changes the password.
async fn password_round(track: &mut Track, tally: &mut Tally, round: u32) {
    let racer = track.racer(round).await;
    let fields = format!("current=correct+horse+battery&new={NEW_PASSWORD}");
    for answer in track.race(round, &racer, "/profile/password", &fields).await {
        tally.count(&answer);
        if answer.header("location") == Some("/dashboard") && track.alive(&answer).await {
            tally.survived += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_of_the_old_password_survives_its_change() {
    let (mut track, mut tally) = (Track::start(OFF, false).await, Tally::default());
    let mut round = 0;
    while round < ROUNDS || (round < MOST && (tally.opened == 0 || tally.wrong == 0 || tally.stale == 0)) {
        password_round(&mut track, &mut tally, round).await;
        assert_eq!(tally.survived, 0, "round {round}");
        round += 1;
    }
    println!("{round} rounds: {tally:?}");
    assert!(tally.opened > 0 && tally.wrong > 0 && tally.stale > 0, "before, after, and during: {tally:?}");
    track.portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_sessions_of_the_old_password_survive_if_the_portal_passes_old_rows() {
    let (mut track, mut tally) = (Track::start(OFF, true).await, Tally::default());
    let mut round = 0;
    while round < MOST && tally.survived == 0 {
        password_round(&mut track, &mut tally, round).await;
        round += 1;
    }
    println!("{round} rounds: {tally:?}");
    assert!(tally.survived > 0, "{tally:?}");
    track.portal.stop().await;
}

/// Every sign-in asks for a code by e-mail.
const BY_MAIL: &str = "enforce=yes&email=on&first=after_email_code";

/// One round: the user changes the address.
async fn address_round(track: &mut Track, tally: &mut Tally, round: u32) {
    let racer = track.racer(round).await;
    track.wait_for_the_next_code();
    let new = format!("new{round}@larkfield.example");
    let fields = format!("csrf={}&email={}", racer.visit.csrf, new.replace('@', "%40"));
    let begun = post(&track.portal, "/profile/address", &racer.visit.cookie, &fields).await;
    assert_eq!(begun.header("location"), Some("/profile/address/confirm"), "{}", begun.body);
    let code = track.codes_to(&new).await.pop().unwrap();
    let before = track.codes_to(&racer.email).await.len();
    let answers = track.race(round, &racer, "/profile/address/confirm", &format!("code={code}")).await;
    answers.iter().for_each(|answer| tally.count(answer));

    // The change has marked the new address as verified. From here on, only a code to the old address could mark it.
    let row = "UPDATE users SET email_verified = 0 WHERE id = ? AND email = ? AND email_verified = 1";
    let row = sqlx::query(row).bind(racer.id).bind(&new).execute(track.portal.database()).await.unwrap();
    assert_eq!(row.rows_affected(), 1, "round {round}");
    let flows: Vec<String> = answers.iter().filter_map(flow).collect();
    let (in_flight, nobody) = (track.codes_to(&racer.email).await, format!("csrf={}", track.nobody.csrf));
    assert!(in_flight.len() <= before + 1, "one code in 30 seconds");
    if let Some(code) = in_flight.get(before) {
        for flow in &flows {
            tally.survived += u32::from(track.opens(racer.from, flow, code).await);
        }
    }
    track.wait_for_the_next_code();
    for flow in &flows {
        let before = track.codes_to(&racer.email).await.len();
        let cookies = format!("{}; {flow}", track.nobody.cookie);
        track.post(racer.from, "/sign-in/email/send", &cookies, &nobody).await;
        for code in &track.codes_to(&racer.email).await[before..] {
            tally.mailed += 1;
            tally.survived += u32::from(track.opens(racer.from, flow, code).await);
        }
    }
    let verified = sqlx::query_scalar("SELECT email_verified FROM users WHERE id = ?").bind(racer.id);
    let verified: i64 = verified.fetch_one(track.portal.database()).await.unwrap();
    assert_eq!(verified, 0, "round {round}: a code to the old address proves nothing of the new one");
}

/// How many valid sessions rest on a code to an address that is not the user's.
async fn claims_of_old_addresses(track: &Track) -> i64 {
    let query = "SELECT COUNT(*) FROM sessions JOIN users ON users.id = sessions.user_id
                 WHERE claims LIKE '%;email=user%' AND users.email LIKE 'new%'";
    sqlx::query_scalar(query).fetch_one(track.portal.database()).await.unwrap()
}

/// How many codes were issued by a change of the account that came after the change of its address.
async fn codes_after_the_change(track: &Track) -> i64 {
    // The log is written in the background, in order: a last event shows that all before it are there.
    track.racer(MOST + 1).await;
    let query = "SELECT COUNT(*) FROM events AS last JOIN users ON users.id = last.user_id
                 WHERE users.email = ? AND last.words = 'Completed a sign-in'";
    let begun = Instant::now();
    loop {
        let last = sqlx::query_scalar(query).bind(format!("user{}@larkfield.example", MOST + 1));
        if last.fetch_one(track.portal.database()).await.unwrap_or(0_i64) > 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the log is not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let query = "SELECT COUNT(*) FROM events AS code JOIN events AS change ON code.user_id = change.user_id
                 WHERE code.words = 'A code was sent by e-mail' AND change.words = 'Changed the e-mail address'
                 AND code.number > change.number";
    sqlx::query_scalar(query).fetch_one(track.portal.database()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sign_in_of_the_old_address_survives_its_change() {
    let (mut track, mut tally) = (Track::start(BY_MAIL, false).await, Tally::default());
    let mut round = 0;
    while round < ROUNDS || (round < MOST && (tally.begun == 0 || tally.wrong == 0 || tally.stale == 0)) {
        address_round(&mut track, &mut tally, round).await;
        assert_eq!((tally.survived, tally.mailed), (0, 0), "round {round}");
        round += 1;
    }
    println!("{round} rounds: {tally:?}");
    assert!(tally.begun > 0 && tally.wrong > 0 && tally.stale > 0, "before, after, and during: {tally:?}");
    assert_eq!(claims_of_old_addresses(&track).await, 0);
    assert_eq!(codes_after_the_change(&track).await, 0, "no code is issued for the old address after the change");
    track.portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_sign_ins_of_the_old_address_survive_if_the_portal_passes_old_rows() {
    let (mut track, mut tally) = (Track::start(BY_MAIL, true).await, Tally::default());
    let mut round = 0;
    while round < MOST && (tally.survived == 0 || tally.mailed == 0) {
        address_round(&mut track, &mut tally, round).await;
        round += 1;
    }
    println!("{round} rounds: {tally:?}");
    assert!(tally.survived > 0 && tally.mailed > 0, "{tally:?}");
    assert!(claims_of_old_addresses(&track).await > 0);
    assert!(codes_after_the_change(&track).await > 0);
    track.portal.stop().await;
}
