//! A new smartphone in the place of the old one, which works until then; and a new name for it.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn the_old_smartphone_works_until_the_new_one_is_confirmed() {
    let world = World::on_disk("replacement").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut old = browser.with_a_smartphone("Ada Reyes", ADA).await;

    browser.open("/profile").await;
    browser.picture("profile").await;
    browser.click(".device a.rename").await;
    browser.picture("rename").await;
    browser.fill("#name", " ").await;
    browser.click("#submit").await;
    assert!(browser.text("#name-error").await.contains("Enter a name"));
    world.age_proofs(10 * 60).await;
    browser.fill("#name", "Ada’s Pixel").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/prove/app").await;
    browser.enter_code(&old.wrong_codes(1)[0]).await;
    assert!(!browser.text("#code-error").await.is_empty());
    // The name was typed once, and is kept until the code is right.
    browser.enter_code(&old.code().await).await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".device-name").await, "Ada’s Pixel");

    browser.as_phone().await;
    browser.in_dark().await;
    for (path, what) in [
        ("/profile", "phone"),
        ("/profile/devices/1/rename", "phone-rename"),
        ("/profile/devices/1/replace", "phone-replace"),
        ("/profile/devices/1/remove", "phone-remove"),
        ("/profile/recovery-codes", "phone-codes"),
        ("/profile/address", "phone-address"),
    ] {
        browser.open(path).await;
        browser.fits_its_width().await;
        browser.whole_picture(what).await;
        browser.as_phone().await;
    }
    browser.as_ever().await;

    // Begun, and left: nothing has changed.
    browser.open("/profile").await;
    browser.click(".device a.replace").await;
    browser.picture("ask").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/devices/app").await;
    browser.enter_code(&old.code().await).await;
    browser.arrives_at("/profile/devices/register").await;
    let mut new = Authenticator::typed(&browser.text("#secret").await);
    let other = world.second_browser("replacement-other").await;
    other.sign_in(ADA, PASSWORD).await;
    other.enter_code(&old.code().await).await;
    other.arrives_at("/dashboard").await;

    // Confirmed: the old one is out.
    browser.open("/profile/devices/register").await;
    browser.fill("#name", "Ada’s new phone").await;
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.picture("all-set").await;
    other.open("/dashboard").await;
    other.arrives_at("/sign-in").await;
    other.client.clone().close().await.unwrap();
    browser.click("#continue").await;
    assert_eq!(browser.text(".device-name").await, "Ada’s new phone");
    assert_eq!(browser.text(".devices").await.matches("Remove").count(), 1);
    let mail = browser.newest_mail(ADA).await;
    assert!(mail.contains("Ada’s new phone") && mail.contains("Ada’s Pixel"), "{mail}");
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.enter_code(&old.code().await).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_two_smartphones_may_say_whose_code_it_is() {
    let world = World::start("two-devices").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut first = browser.with_a_smartphone("Ada Reyes", ADA).await;
    browser.open("/profile").await;
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/app").await;
    assert!(!browser.has("#device").await, "there is nothing to choose");
    browser.enter_code(&first.code().await).await;
    browser.arrives_at("/profile/devices/register").await;
    let mut second = Authenticator::typed(&browser.text("#secret").await);
    browser.fill("#name", "My tablet").await;
    browser.enter_code(&second.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.open("/profile").await;
    browser.sign_out().await;

    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.click_in_place("#device option[value=\"2\"]").await;
    browser.picture("choice").await;
    browser.enter_code(&first.code().await).await;
    assert!(browser.text("#code-error").await.contains("didn't work"), "it is no code of the tablet");
    assert!(browser.is_ticked("#device option[value=\"2\"]").await, "the choice outlives a wrong code");
    browser.enter_code(&second.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}
