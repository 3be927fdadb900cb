//! What a company allows for a time: the first registration may be put off, and one user may be exempt.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const APP_ONLY: Company = Company { enforce: true, app: true, email: false, both: false, first: "after_password" };

#[tokio::test(flavor = "multi_thread")]
async fn in_the_time_to_register_the_dashboard_tells_the_deadline() {
    let world = World::start("grace").await;
    let browser = &world.browser;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.preview(APP_ONLY).await;
    browser.fill("#grace_days", "14").await;
    browser.click("#preview").await;
    let effects = browser.text("#effects").await;
    assert!(effects.contains("Reminded to register") && effects.contains("Ada Reyes"), "{effects}");
    browser.save().await;
    browser.sign_out().await;

    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#grace").await.contains("You can put it off until 20"));
    browser.picture("reminder").await;
    browser.open("/profile").await;
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.open("/dashboard").await;
    assert!(!browser.has("#grace").await, "nothing is put off any more");
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exemption_lets_one_user_in_until_it_is_withdrawn() {
    let world = World::start("exemption").await;
    let browser = &world.browser;
    browser.company(APP_ONLY).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.open("/admin/users").await;
    assert!(!browser.has("#exempt-1").await, "it does nothing for whoever has a smartphone");
    browser.click("#exempt-2").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.picture("phone").await;
    browser.as_ever().await;
    browser.fill("#reason", "Waits for a smartphone").await;
    browser.fill("#days", "7").await;
    browser.click("#submit").await;
    browser.arrives_at("/admin/users").await;
    assert!(browser.text(".exemption").await.contains("by administrator 1: Waits for a smartphone"));
    browser.whole_picture("users").await;

    let adas = world.second_browser("exemption-ada").await;
    adas.sign_in(ADA, PASSWORD).await;
    adas.arrives_at("/dashboard").await;
    browser.click("#withdraw-2").await;
    assert!(browser.text("#notice").await.contains("withdrawn"));
    adas.open("/dashboard").await;
    adas.arrives_at("/sign-in").await;
    adas.sign_in(ADA, PASSWORD).await;
    adas.arrives_at("/sign-in/register").await;
    adas.client.clone().close().await.unwrap();
    world.end().await;
}
