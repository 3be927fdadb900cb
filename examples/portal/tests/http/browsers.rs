//! The browsers that have signed in before: one cookie for each user, and what an attacker with the password can't block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portal::{Config, Database, ForTests, Running};

use crate::people::{User, ada, admin};
use crate::wire::{Answer, PASSWORD, config, credentials, get, mailed_code, post};

const ADA: &str = "email=ada%40larkfield.example&password=correct+horse+battery";
const BLOCKED: &str = "Sign-in from new browsers is blocked.";
const LOCKED: &str = "Too many attempts.";
const PROVE: &str = "/profile/prove/app";

/// A portal whose engine has a clock that the test moves.
struct World {
    portal: Running,
    ahead: Arc<AtomicU64>,
}

impl World {
    async fn start() -> Self {
        let for_tests = ForTests::default();
        let ahead = Arc::clone(&for_tests.clock_ahead);
        Self { portal: portal::serve(Config { for_tests, ..config(Database::Memory) }).await.unwrap(), ahead }
    }

    fn wait(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The number of time steps by which the engine is ahead.
    fn steps(&self) -> i64 {
        i64::try_from(self.ahead.load(Ordering::Relaxed) / 30).unwrap()
    }

    /// A code that was not used before: the engine's clock moves on by one step.
    fn code(&self, user: &User) -> String {
        self.wait(30);
        user.code(self.steps())
    }

    fn wrong_codes(&self, user: &User, count: usize) -> Vec<String> {
        let right: Vec<String> = (-3..10).map(|step| user.code(self.steps() + step)).collect();
        (0..).map(|n: u32| format!("{n:06}")).filter(|code| !right.contains(code)).take(count).collect()
    }

    /// Signs in with the password in a new browser.
    async fn begin(&self, fields: &str) -> Browser<'_> {
        let mut browser = Browser { world: self, cookies: String::new() };
        browser.begin(fields).await;
        browser
    }

    /// An attacker with the password enters wrong codes in new browsers, up to this lock. Each lock is twice as long as the
    /// one before; the first takes a minute.
    async fn guess(&self, fields: &str, user: &User, locks: u32) {
        for lock in 0..locks {
            let mut attacker = self.begin(fields).await;
            for wrong in self.wrong_codes(user, 5) {
                let answer = attacker.enter(&wrong).await;
                assert_eq!(answer.status, 422, "{}", answer.body);
            }
            assert!(attacker.get("/sign-in/app").await.body.contains(LOCKED));
            if lock + 1 < locks {
                self.wait(60 << lock);
            }
        }
    }

    /// The same until new browsers are blocked, and the last lock has ended.
    async fn block(&self, ada: &User) {
        self.guess(ADA, ada, 6).await;
        self.wait(60 << 5);
    }
}

/// A browser that keeps its cookies.
struct Browser<'a> {
    world: &'a World,
    cookies: String,
}

impl Browser<'_> {
    async fn get(&mut self, path: &str) -> Answer {
        let answer = get(&self.world.portal, path, &self.cookies).await;
        self.cookies = answer.cookies_after(&self.cookies);
        answer
    }

    async fn post(&mut self, path: &str, fields: &str) -> Answer {
        let page = match self.get("/sign-in").await {
            page if page.status == 200 => page,
            _ => self.get("/dashboard").await,
        };
        let form = format!("csrf={}&{fields}", page.csrf());
        let answer = post(&self.world.portal, path, &self.cookies, &form).await;
        self.cookies = answer.cookies_after(&self.cookies);
        answer
    }

    async fn begin(&mut self, fields: &str) {
        let answer = self.post("/sign-in", fields).await;
        assert_eq!(answer.header("location"), Some("/sign-in/app"), "{}", answer.body);
    }

    async fn enter(&mut self, code: &str) -> Answer {
        self.post("/sign-in/app", &format!("code={code}")).await
    }

    /// Signs in with a right code.
    async fn sign_in(&mut self, fields: &str, user: &User) -> Answer {
        self.begin(fields).await;
        let answer = self.enter(&self.world.code(user)).await;
        assert_eq!(answer.header("location"), Some("/dashboard"), "{}", answer.body);
        answer
    }

    async fn sign_out(&mut self) -> Answer {
        let answer = self.post("/sign-out", "").await;
        assert_eq!(answer.header("location"), Some("/sign-in"), "{}", answer.body);
        assert_eq!(self.get("/profile").await.header("location"), Some("/sign-in"));
        answer
    }

    fn holds(&self, cookie: &str) -> bool {
        self.cookies.split("; ").any(|pair| pair.split_once('=').is_some_and(|(name, _)| name == cookie))
    }
}

#[tokio::test]
async fn two_users_of_one_browser_are_both_known_there() {
    let world = World::start().await;
    let admins = User::register(&world.portal, admin(&world.portal).await).await;
    let adas = User::register(&world.portal, ada(&world.portal).await).await;
    let users = [(credentials(PASSWORD), &admins, "__Host-browser-1"), (ADA.to_owned(), &adas, "__Host-browser-2")];
    let mut shared = Browser { world: &world, cookies: String::new() };
    for (fields, user, cookie) in &users {
        let answer = shared.sign_in(fields, user).await;
        let set: Vec<_> = answer.headers.iter().filter(|(_, line)| line.starts_with("__Host-browser")).collect();
        let [(_, line)] = &set[..] else { panic!("{set:?}") };
        let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000";
        assert!(line.starts_with(&format!("{cookie}=")) && line.ends_with(attributes), "{line}");
        let left = shared.sign_out().await;
        assert!(!left.sets("__Host-browser") && shared.holds(cookie), "{:?}", left.headers);
    }

    // An attacker has both passwords, and locks the new browsers of both users.
    for (fields, user, _) in &users {
        // The lock lasts longer than the test lets pass.
        world.guess(fields, user, 3).await;
        let mut new = world.begin(fields).await;
        let refused = new.enter(&world.code(user)).await;
        assert!(refused.status == 422 && refused.body.contains(LOCKED), "{}", refused.body);
        shared.sign_in(fields, user).await;
        shared.sign_out().await;
    }
    world.portal.stop().await;
}

#[tokio::test]
async fn cookie_of_another_user_makes_no_browser_known() {
    let world = World::start().await;
    let admins = User::register(&world.portal, admin(&world.portal).await).await;
    let adas = User::register(&world.portal, ada(&world.portal).await).await;
    let mut browser = Browser { world: &world, cookies: String::new() };
    browser.sign_in(&credentials(PASSWORD), &admins).await;
    browser.sign_out().await;
    browser.cookies = browser.cookies.replace("__Host-browser-1=", "__Host-browser-2=");
    browser.begin(ADA).await;
    for wrong in world.wrong_codes(&adas, 5) {
        browser.enter(&wrong).await;
    }
    // The wrong codes were not the administrator's: another new browser is locked, too.
    let mut new = world.begin(ADA).await;
    let refused = new.enter(&world.code(&adas)).await;
    assert!(refused.body.contains(LOCKED), "{}", refused.body);
    world.portal.stop().await;
}

#[tokio::test]
async fn browser_in_which_a_smartphone_was_registered_is_known() {
    let world = World::start().await;
    let _admin = admin(&world.portal).await;
    let visit = ada(&world.portal).await;
    let mut browser = Browser { world: &world, cookies: visit.cookie.clone() };
    let flow = browser.post("/profile/devices", "").await.cookie_of("__Host-registration").unwrap();
    let user = User::shown(&world.portal, visit, "/profile/devices/register", &flow).await;
    browser.post("/profile/devices/register", &format!("code={}&name=Phone", world.code(&user))).await;
    assert!(browser.holds("__Host-browser-2"), "{}", browser.cookies);
    browser.sign_out().await;
    world.block(&user).await;
    assert!(world.begin(ADA).await.get("/sign-in/app").await.body.contains(BLOCKED));
    browser.sign_in(ADA, &user).await;
    world.portal.stop().await;
}

#[tokio::test]
async fn mail_is_sent_and_told_of_where_the_app_is_locked() {
    let world = World::start().await;
    let admins = User::register(&world.portal, admin(&world.portal).await).await;
    admins.decide(&world.portal, "enforce=yes&app=on&email=on&email_fallback=on&first=after_password").await;
    let mut new = Browser { world: &world, cookies: String::new() };
    // The next mail comes after a pause.
    world.wait(30);
    let begun = new.post("/sign-in", &credentials(PASSWORD)).await;
    assert_eq!(begun.header("location"), Some("/sign-in/choose"));
    for wrong in world.wrong_codes(&admins, 5) {
        new.enter(&wrong).await;
    }
    assert!(new.get("/sign-in/app").await.body.contains(LOCKED));
    let sent = new.post("/sign-in/email/send", "").await;
    assert_eq!(sent.header("location"), Some("/sign-in/email"), "{}", sent.body);
    assert_eq!(sent.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=sent"));
    let page = new.get("/sign-in/email").await;
    assert!(!page.body.contains(LOCKED) && page.body.contains("We sent a code"), "{}", page.body);
    let entered = new.post("/sign-in/email", &format!("code={}", mailed_code(&world.portal).await)).await;
    assert_eq!(entered.header("location"), Some("/dashboard"), "{}", entered.body);
    world.portal.stop().await;
}

#[tokio::test]
async fn new_browsers_are_unblocked_by_an_administrator_with_a_fresh_proof() {
    let world = World::start().await;
    let portal = &world.portal;
    let admins = User::register(portal, admin(portal).await).await;
    let adas = User::register(portal, ada(portal).await).await;
    let mut owner = Browser { world: &world, cookies: String::new() };
    owner.sign_in(ADA, &adas).await;
    let mut administrator = Browser { world: &world, cookies: String::new() };
    administrator.sign_in(&credentials(PASSWORD), &admins).await;
    assert!(!administrator.get("/admin/users").await.body.contains("/unblock"), "nobody is blocked");
    world.block(&adas).await;

    // A new browser is told before and after a right code; the owner's own session and the administrator are told as well.
    let mut new = world.begin(ADA).await;
    let page = new.get("/sign-in/app").await;
    assert!(page.status == 200 && page.body.contains(BLOCKED), "{}", page.body);
    let refused = new.enter(&world.code(&adas)).await;
    assert!(refused.status == 422 && refused.body.contains(BLOCKED), "{}", refused.body);
    assert!(owner.get("/profile").await.body.contains("blocked until"));
    let unblocked = async |administrator: &mut Browser<'_>| {
        let page = administrator.get("/admin/users").await.body;
        let until = page.contains("Sign-in from new browsers is blocked until");
        assert_eq!(page.contains("id=\"unblock-2\""), until, "{page}");
        assert!(!page.contains("id=\"unblock-1\""), "{page}");
        !until
    };
    assert!(!unblocked(&mut administrator).await);

    // A user, even the blocked one, has no such page, and an administrator proves first that it is still them.
    assert_eq!(owner.post("/admin/users/2/unblock", "").await.status, 404);
    assert_eq!(administrator.post("/admin/users/99/unblock", "").await.status, 404);
    let asked = administrator.post("/admin/users/2/unblock", "").await;
    assert_eq!((asked.status, asked.header("location")), (303, Some(PROVE)), "{}", asked.body);
    let wrong = &world.wrong_codes(&admins, 1)[0];
    let refused = administrator.post(PROVE, &format!("code={wrong}")).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(!unblocked(&mut administrator).await);
    assert!(new.get("/sign-in/app").await.body.contains(BLOCKED));

    let done = administrator.post(PROVE, &format!("code={}", world.code(&admins))).await;
    assert_eq!((done.status, done.header("location")), (303, Some("/admin/users")), "{}", done.body);
    assert_eq!(done.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=unblocked"));
    assert!(administrator.get("/admin/users").await.body.contains("New browsers are unblocked for this user."));
    assert!(unblocked(&mut administrator).await);
    let log = administrator.get("/admin/audit").await.body;
    assert!(log.contains("Sign-in from new browsers was unblocked by administrator 1"), "{log}");
    let mails = get(portal, "/mailbox", "").await.body;
    assert!(mails.contains("New browsers can sign in to your Larkfield account again"), "{mails}");
    assert!(!owner.get("/profile").await.body.contains("blocked until"));
    let entered = new.enter(&world.code(&adas)).await;
    assert_eq!(entered.header("location"), Some("/dashboard"), "{}", entered.body);

    // While the proof is fresh the next one is done at once.
    let again = administrator.post("/admin/users/2/unblock", "").await;
    assert_eq!((again.status, again.header("location")), (303, Some("/admin/users")), "{}", again.body);
    world.portal.stop().await;
}
