//! An administrator vouches for a user with a ticket, and is kept from locking everybody out.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_stands_before_the_first_registration() {
    const STRICT: Company = Company { enforce: true, app: true, email: false, both: false, first: "with_ticket" };
    let world = World::start("tickets").await;
    let browser = &world.browser;
    browser.sign_up("Ada Reyes", ADA).await;

    // Whoever would lock every administrator out is told, and cannot save.
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.preview(STRICT).await;
    assert!(browser.text("#settings-error").await.contains("no administrator could sign in again"));
    assert!(browser.text("#preview-result").await.contains("Locked out"));
    assert!(!browser.has("#save").await);

    // Nothing is decided yet: until then an e-mail code stands before a first registration.
    browser.open("/profile").await;
    browser.click("#add-device").await;
    browser.arrives_at("/profile/devices/email").await;
    let code = browser.mailed_code(ADMIN).await;
    browser.enter_code(&code).await;
    browser.arrives_at("/profile/devices/register").await;
    let mut admins = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&admins.code().await).await;
    browser.arrives_at("/profile/devices/all-set").await;
    browser.preview(STRICT).await;
    browser.save().await;
    browser.sign_out().await;

    browser.sign_in(ADA, PASSWORD).await;
    assert!(browser.text("#denied").await.contains("ticket"));
    browser.picture("denied").await;

    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&admins.code().await).await;
    browser.arrives_at("/dashboard").await;
    browser.open("/admin/users").await;
    assert!(browser.page_text().await.contains("No way in"));
    browser.click("#ticket-2").await;
    let ticket = browser.text("#ticket-text").await;
    assert!(browser.text("#ticket-title").await.contains("Ada Reyes"));
    browser.whole_picture("users").await;
    browser.open("/admin/users").await;
    assert!(!browser.page_text().await.contains(&ticket), "a ticket is shown once");
    browser.sign_out().await;

    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/ticket").await;
    browser.enter_code("ABCD EFGH").await;
    assert!(browser.text("#code-error").await.contains("26 letters and digits"));
    browser.enter_code(&ticket.to_lowercase()).await;
    browser.arrives_at("/sign-in/register").await;
    let mut adas = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&adas.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    world.end().await;
}
