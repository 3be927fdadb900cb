//! S2: the administrator picks the channels, and the steps of a login differ with that choice.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const COMPANY: Company = Company { enforce: true, app: true, email: true, both: false, first: "after_password" };

async fn with(name: &'static str, company: Company) -> World {
    let world = World::start(name).await;
    world.browser.company(company).await;
    world.browser.sign_up("Ada Reyes", ADA).await;
    world.browser.sign_in(ADA, PASSWORD).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_app_only_leads_to_a_registration() {
    let world = with("s2-app", Company { email: false, ..COMPANY }).await;
    let browser = &world.browser;
    browser.arrives_at("/sign-in/register").await;
    assert!(!browser.has("#other-way").await, "there is one way only");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_email_only_leads_to_a_mailed_code() {
    let world = with("s2-email", Company { app: false, ..COMPANY }).await;
    let browser = &world.browser;
    browser.arrives_at("/sign-in/email").await;
    assert!(!browser.has("#other-way").await, "there is one way only");
    browser.open("/sign-in/register").await;
    assert!(!browser.has("#qr").await, "nobody is led to register where the app is not enabled");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_any_of_both_offers_the_choice() {
    let world = with("s2-any", COMPANY).await;
    let browser = &world.browser;
    browser.arrives_at("/sign-in/choose").await;
    assert!(browser.has("#way-email").await && browser.has("#way-register").await);
    browser.picture("choose").await;
    browser.click("#way-email").await;
    browser.arrives_at("/sign-in/email").await;
    browser.click("#other-way").await;
    browser.arrives_at("/sign-in/choose").await;
    browser.click("#way-register").await;
    browser.arrives_at("/sign-in/register").await;
    assert!(browser.has("#qr").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_all_of_both_asks_for_one_after_the_other() {
    let world = with("s2-all", Company { both: true, ..COMPANY }).await;
    let browser = &world.browser;
    browser.arrives_at("/sign-in/email").await;
    let code = browser.mailed_code(ADA).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/sign-in/register").await;
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;
    browser.open("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.click("#continue").await;
    browser.arrives_at("/dashboard").await;
    let proved = browser.text("#proved").await;
    assert!(proved.contains("e-mail code") && proved.contains("smartphone"), "{proved}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_the_first_registration_waits_for_an_email_code() {
    let world = with("s2-first", Company { email: false, first: "after_email_code", ..COMPANY }).await;
    let browser = &world.browser;
    browser.arrives_at("/sign-in/email").await;
    browser.open("/sign-in/register").await;
    assert!(!browser.has("#qr").await, "no secret is shown on a password alone");
    browser.open("/sign-in/email").await;
    let code = browser.mailed_code(ADA).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/sign-in/register").await;
    world.end().await;
}
