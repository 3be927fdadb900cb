//! A browser that its user trusts: no code is asked for there, until the trust is withdrawn, or its cookie is copied.

use std::time::Duration;

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Browser, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

/// Ada has a smartphone, trusts this browser, and is signed out.
async fn with_a_trusted_browser(name: &'static str) -> (World, Authenticator) {
    let world = World::start(name).await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut app = browser.with_a_smartphone("Ada Reyes", ADA).await;
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    assert!(!browser.has("#trust").await, "nothing is offered that the company does not allow");
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    allow_trust(browser).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.tick("#trust").await;
    browser.picture("offer").await;
    browser.enter_code(&app.wrong_codes(1)[0]).await;
    assert!(browser.is_ticked("#trust").await, "the wish outlives a wrong code");
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;
    (world, app)
}

async fn allow_trust(browser: &Browser) {
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    if browser.path().await == "/sign-in/register" {
        let mut app = Authenticator::typed(&browser.text("#secret").await);
        browser.enter_code(&app.code().await).await;
        browser.arrives_at("/sign-in/all-set").await;
    }
    browser.open("/admin/security").await;
    browser.tick("input[name=trusted_browsers]").await;
    browser.click("#preview").await;
    browser.save().await;
    browser.sign_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_browser_is_asked_for_no_code_until_it_is_revoked() {
    let (world, mut app) = with_a_trusted_browser("trust").await;
    let browser = &world.browser;
    let first = browser.cookie("__Host-browser-2").await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#proved").await.contains("a browser that you trust"));
    assert_ne!(browser.cookie("__Host-browser-2").await, first, "each sign-in replaces the cookie");
    browser.open("/profile").await;
    assert!(browser.text(".browser").await.contains("Chrome on Linux"));
    browser.whole_picture("profile").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.as_ever().await;

    // Whoever has the password alone, in another browser, is asked as ever.
    let other = world.second_browser("trust-other").await;
    other.sign_in(ADA, PASSWORD).await;
    other.arrives_at("/sign-in/app").await;
    other.client.clone().close().await.unwrap();

    // The session rests on the trust, and ends with it.
    browser.click(".browser button").await;
    browser.arrives_at("/sign-in").await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    browser.open("/profile").await;
    assert!(browser.has("#no-browsers").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_cookie_is_noticed_and_both_are_out() {
    let (world, _app) = with_a_trusted_browser("trust-copied").await;
    let browser = &world.browser;
    let copied = browser.cookie("__Host-browser-2").await;
    let thief = world.second_browser("trust-thief").await;
    thief.open("/sign-in").await;
    let cookie = serde_json::json!({"name": "__Host-browser-2", "value": copied, "url": world.url, "secure": true});
    assert_eq!(thief.devtools("Network.setCookie", cookie).await["success"], true);
    thief.sign_in(ADA, PASSWORD).await;
    thief.arrives_at("/dashboard").await;

    // For ten seconds it could be a second tab. Then the owner's cookie is one that was used up by somebody else.
    tokio::time::sleep(Duration::from_secs(11)).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    assert!(browser.text("#notice").await.contains("its cookie was used somewhere else"));
    browser.picture("noticed").await;
    thief.open("/dashboard").await;
    thief.arrives_at("/sign-in").await;
    thief.sign_in(ADA, PASSWORD).await;
    thief.arrives_at("/sign-in/app").await;
    thief.client.clone().close().await.unwrap();
    world.end().await;
}
