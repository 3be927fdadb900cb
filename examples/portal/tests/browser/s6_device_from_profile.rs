//! S6: managing a device from the profile; from then on its code is asked for, whatever the company enforces.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn s6_manage_device_from_profile() {
    let world = World::start("s6").await;
    let browser = &world.browser;
    browser.company(Company { enforce: false, app: true, email: true, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;

    browser.open("/profile").await;
    assert!(browser.text("#mfa-title").await.contains("MFA verification"));
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/register").await;
    let mut app = Authenticator::scan(&browser.picture("register").await);

    // A registration that is not confirmed changes nothing.
    browser.open("/profile").await;
    assert!(browser.has("#no-devices").await);
    browser.open("/profile/devices/register").await;
    browser.fill("#name", "Ada’s work phone").await;
    browser.enter_code(&app.wrong_codes(1)[0]).await;
    assert!(!browser.text("#code-error").await.is_empty());
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.click("#continue").await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".device-name").await, "Ada’s work phone", "the name outlives a wrong code");
    browser.whole_picture("profile").await;
    browser.sign_out().await;

    // The company enforces nothing, and the code is asked for all the same.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;

    // On the code that was entered just now the device is removed; then the password is enough again.
    browser.open("/profile").await;
    browser.click(".device a.danger").await;
    browser.picture("remove").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    assert!(browser.has("#no-devices").await);
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_the_last_device_stays_where_the_company_asks_for_it() {
    let world = World::start("s6-stays").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;

    browser.open("/profile").await;
    browser.click(".device a.danger").await;
    assert!(browser.has("#replace").await && browser.has("#register-another").await, "there are ways on");
    assert!(browser.text("#refused").await.contains("register another device first"));
    browser.picture("refused").await;

    // A second device, on a code of the first; then the first can go.
    browser.click("#register-another").await;
    browser.arrives_at("/profile/devices/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/register").await;
    let mut second = Authenticator::typed(&browser.text("#secret").await);
    assert_ne!(second.secret(), app.secret());
    browser.fill("#name", "My tablet").await;
    browser.enter_code(&second.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.click("#continue").await;
    browser.click(".device:first-child a.danger").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".devices").await.matches("Remove").count(), 1);
    assert_eq!(browser.text(".device-name").await, "My tablet");
    world.end().await;
}
