//! A lost smartphone: a recovery code opens, once, and leads to a new one.

use crate::authenticator::Authenticator;
use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const APP_ONLY: Company = Company { enforce: true, app: true, email: false, both: false, first: "after_password" };

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_once_and_leads_to_a_new_smartphone() {
    let world = World::start("recovery").await;
    let browser = &world.browser;
    browser.company(APP_ONLY).await;
    let mut lost = browser.with_a_smartphone("Ada Reyes", ADA).await;
    browser.open("/profile").await;
    assert_eq!(browser.text("#codes-left").await, "None created");
    browser.click("#recovery-codes").await;
    browser.picture("before").await;
    let codes = browser.make_recovery_codes().await;
    assert!(browser.newest_mail(ADA).await.contains("New recovery codes"));
    browser.sign_out().await;

    // A way beside the code of the app, and not in its place.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.click("#recovery").await;
    browser.arrives_at("/sign-in/recovery").await;
    assert!(!browser.has("#trust").await, "a recovery code makes no browser trusted");
    browser.picture("code").await;
    browser.enter_code("7K2M-019X").await;
    assert!(browser.text("#code-error").await.contains("16 letters and digits"));
    browser.enter_code("7K2M-019X-QWER-TYVZ").await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.enter_code(&codes[3]).await;
    browser.arrives_at("/completion").await;
    assert!(browser.text("#codes-left").await.contains("9 recovery codes left"));
    browser.picture("recovered").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.as_ever().await;

    // The new smartphone takes the place of the lost one, without another proof.
    browser.click("#replace-1").await;
    browser.arrives_at("/completion/register").await;
    let mut new = Authenticator::scan(&browser.picture("register").await);
    browser.fill("#name", "Ada’s new phone").await;
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/completion/all-set").await;
    assert!(browser.text("#notice").await.contains("old device no longer work"));
    browser.click("#continue").await;
    browser.arrives_at("/dashboard").await;
    browser.open("/profile").await;
    assert_eq!(browser.text(".devices").await.matches("Remove").count(), 1);
    assert_eq!(browser.text(".device-name").await, "Ada’s new phone");
    browser.sign_out().await;

    // The code is spent, and so is the lost smartphone.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&lost.code().await).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.click("#recovery").await;
    browser.enter_code(&codes[3]).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.click("#other-way").await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&new.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_come_into_force_when_one_is_typed_and_few_of_them_warn() {
    let world = World::start("recovery-few").await;
    let browser = &world.browser;
    browser.company(APP_ONLY).await;
    let mut app = browser.with_a_smartphone("Ada Reyes", ADA).await;
    let old = browser.make_recovery_codes().await;

    // Shown, and not typed: the codes before are the ones in force.
    browser.open("/profile/recovery-codes").await;
    browser.click("#make").await;
    let shown = browser.text(".codes li:nth-child(2) code").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.whole_picture("codes-phone").await;
    browser.as_ever().await;
    browser.enter_code(&old[1]).await;
    assert!(browser.text("#code-error").await.contains("isn't one of your new codes"));
    assert!(!browser.page_text().await.contains(&shown), "they are shown once");
    browser.picture("confirm-error").await;
    browser.open("/profile").await;
    browser.sign_out().await;

    for (spent, code) in old.iter().skip(1).take(7).enumerate() {
        browser.sign_in(ADA, PASSWORD).await;
        browser.click("#recovery").await;
        browser.enter_code(code).await;
        browser.arrives_at("/completion").await;
        let warned = browser.has("#codes-left.warn").await;
        assert_eq!(warned, spent == 6, "the warning is for the last three");
        if spent < 6 {
            browser.sign_out().await;
        }
    }

    // The session of a recovery code creates no new ones, and reaches no other page. The device that was found again does.
    for path in ["/profile/recovery-codes", "/profile", "/dashboard"] {
        browser.open(path).await;
        browser.arrives_at("/completion").await;
    }
    browser.click("#found").await;
    browser.arrives_at("/completion/choose").await;
    browser.click("#way-app").await;
    browser.arrives_at("/completion/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#codes-reminder").await.contains("Only 3 recovery codes left"));
    browser.picture("few").await;
    browser.open("/profile/recovery-codes").await;
    browser.click("#make").await;
    assert!(browser.has(".codes").await, "{}", browser.page_text().await);
    world.end().await;
}
