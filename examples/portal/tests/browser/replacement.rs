//! A new smartphone in the place of the old one, which works until then; and a new name for it.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn the_old_smartphone_works_until_the_new_one_is_confirmed() {
    let world = World::start("replacement").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut old = browser.with_a_smartphone("Ada Reyes", ADA).await;

    browser.open("/profile").await;
    browser.picture("profile").await;
    browser.click(".device a.rename").await;
    browser.picture("rename").await;
    browser.fill("#name", " ").await;
    browser.enter_code(&old.code().await).await;
    assert!(browser.text("#name-error").await.contains("may not be empty"));
    browser.fill("#name", "Ada’s Pixel").await;
    browser.enter_code(&old.wrong_codes(1)[0]).await;
    assert!(!browser.text("#code-error").await.is_empty());
    browser.enter_code(&old.code().await).await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".device-name").await, "Ada’s Pixel");

    // Begun, and left: nothing has changed.
    browser.click(".device a.replace").await;
    browser.picture("ask").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/devices/app").await;
    browser.enter_code(&old.code().await).await;
    browser.arrives_at("/profile/devices/register").await;
    let mut new = Authenticator::typed(&browser.text("#secret").await);
    browser.open("/dashboard").await;
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.enter_code(&old.code().await).await;
    browser.arrives_at("/dashboard").await;

    // Confirmed: the old one is out.
    browser.open("/profile/devices/register").await;
    browser.fill("#name", "Ada’s new phone").await;
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.picture("all-set").await;
    browser.click("#continue").await;
    assert_eq!(browser.text(".device-name").await, "Ada’s new phone");
    assert_eq!(browser.text(".devices").await.matches("Remove").count(), 1);
    let mail = browser.newest_mail(ADA).await;
    assert!(mail.contains("Ada’s new phone") && mail.contains("Ada’s Pixel"), "{mail}");
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.enter_code(&old.code().await).await;
    assert!(browser.text("#code-error").await.contains("not right"));
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}
