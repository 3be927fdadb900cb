//! S3: whatever the administrator picked, a user may register a smartphone from the profile.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_user_registers_where_the_app_is_not_a_channel() {
    let world = World::start("s3").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: false, email: true, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    let code = browser.mailed_code(ADA).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/dashboard").await;

    browser.open("/profile").await;
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.click("#continue").await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".device-name").await, "My phone");
    browser.sign_out().await;

    // From now on the device is asked for, and an e-mail code does not replace it.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}
