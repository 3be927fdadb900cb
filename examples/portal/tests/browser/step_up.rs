//! What matters takes a fresh proof, in a session that is open for long.

use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const NEW: &str = "ada.reyes@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn an_old_session_proves_itself_before_anything_that_matters() {
    let world = World::on_disk("step-up").await;
    let browser = &world.browser;
    browser.company(Company { enforce: false, app: true, email: true, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    browser.open("/profile").await;
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/register").await;
    let mut app = crate::authenticator::Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;

    // The registration was long ago. The code is asked for, and what was meant is done at once.
    world.age_proofs(10 * 60).await;
    browser.open("/profile/recovery-codes").await;
    browser.click("#make").await;
    browser.arrives_at("/profile/prove/app").await;
    browser.picture("asked").await;
    assert!(!browser.has(".codes").await);
    browser.enter_code(&app.wrong_codes(1)[0]).await;
    assert!(!browser.text("#code-error").await.is_empty());
    browser.enter_code(&app.code().await).await;
    let first = browser.text(".codes li:first-child code").await;
    browser.enter_code(&first).await;
    browser.arrives_at("/profile").await;

    // While it is fresh, nothing is asked for again. Ten minutes later, it is.
    browser.open("/profile/recovery-codes").await;
    browser.click("#make").await;
    assert!(browser.has(".codes").await, "the proof is fresh");
    world.age_proofs(10 * 60).await;
    browser.open("/profile").await;
    browser.click("#change-address").await;
    browser.arrives_at("/profile/prove/app").await;
    browser.click("#cancel").await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text("#email").await, ADA);
    browser.click("#change-address").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/address").await;
    browser.fill("#email", "admin@larkfield.example").await;
    browser.click("#submit").await;
    assert!(browser.text("#email-error").await.contains("cannot be used"));
    browser.picture("address").await;
    browser.fill("#email", NEW).await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/address/confirm").await;
    browser.picture("confirm").await;
    browser.enter_code("00000000").await;
    assert!(!browser.text("#code-error").await.is_empty());
    let code = browser.mailed_code(NEW).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text("#email").await, NEW);
    assert!(!browser.page_text().await.contains("Not verified yet"));
    assert!(browser.newest_mail(ADA).await.contains("will go to the new address"), "the old address is told");

    // The device goes on a fresh proof.
    world.age_proofs(10 * 60).await;
    browser.click(".device a.danger").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/prove/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile").await;
    assert!(browser.has("#no-devices").await);
    browser.sign_out().await;
    browser.sign_in(NEW, PASSWORD).await;
    browser.arrives_at("/dashboard").await;

    // Without a device it is a code by mail, to the address on record: it verifies that.
    browser.open("/profile").await;
    browser.click("#change-address").await;
    browser.arrives_at("/profile/prove/email").await;
    let code = browser.mailed_code(NEW).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/profile/address").await;
    browser.open("/profile").await;
    assert!(browser.page_text().await.contains("Verified"));
    world.end().await;
}
