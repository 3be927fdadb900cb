//! S4: adding a smartphone at login, by QR code or by typing the secret key.

use fantoccini::Locator;

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World, read_qr};

const ADA: &str = "ada@larkfield.example";
const APP_ONLY: Company = Company { enforce: true, app: true, email: false, both: false, first: "after_password" };

#[tokio::test(flavor = "multi_thread")]
async fn s4_enrollment_at_login() {
    let world = World::start("s4").await;
    let browser = &world.browser;
    browser.company(APP_ONLY).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/register").await;

    browser.whole_picture("register-whole").await;
    let png = browser.picture("register").await;
    let mut app = Authenticator::scan(&png);
    let typed = browser.text("#secret").await;
    assert!(typed.split_whitespace().all(|group| group.len() <= 4), "groups of four: {typed}");
    assert_eq!(Authenticator::typed(&typed).secret(), app.secret(), "the key that is typed is the one that is scanned");
    let link = browser.client.find(Locator::Css("#open-app")).await.unwrap().attr("href").await.unwrap();
    assert_eq!(link.unwrap(), read_qr(&png), "the link for a phone says the same");

    // A wrong code registers nothing, and the same key stays on the screen.
    browser.enter_code(&app.wrong_codes(1)[0]).await;
    assert!(!browser.text("#code-error").await.is_empty());
    let field = browser.client.active_element().await.unwrap();
    assert_eq!(field.attr("id").await.unwrap().as_deref(), Some("code"), "the focus is on the error");
    assert_eq!(field.attr("aria-invalid").await.unwrap().as_deref(), Some("true"));
    assert_eq!(browser.text("#secret").await, typed);
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;
    browser.open("/sign-in/register").await;

    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.picture("all-set").await;
    browser.click("#continue").await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    // The second login: a code of the app, but not the one that confirmed the registration.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.picture("second-login").await;
    browser.enter_code(&app.last_code()).await;
    assert!(!browser.text("#code-error").await.is_empty(), "a code is good once");
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#proved").await.contains("smartphone"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_in_the_dark_on_a_phone() {
    let world = World::start("s4-phone").await;
    let browser = &world.browser;
    browser.company(APP_ONLY).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.as_phone().await;
    browser.in_dark().await;
    browser.open("/sign-in").await;
    browser.picture("sign-in").await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/register").await;
    browser.fits_its_width().await;
    browser.client.execute("document.querySelector('#qr').scrollIntoView({block: 'center'})", vec![]).await.unwrap();
    let mut app = Authenticator::scan(&browser.picture("register").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.fits_its_width().await;
    browser.click("#continue").await;
    browser.arrives_at("/dashboard").await;
    for path in ["/dashboard", "/profile", "/mailbox"] {
        browser.open(path).await;
        browser.fits_its_width().await;
    }
    browser.picture("profile").await;
    world.end().await;
}
