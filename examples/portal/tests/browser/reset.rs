//! A user who has lost everything: the administrator resets the factors, and hands over a ticket.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_the_session_and_leads_back_by_a_ticket() {
    let world = World::start("reset").await;
    let users = &world.browser;
    users.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut lost = users.with_a_smartphone("Ada Reyes", ADA).await;

    let admins = world.second_browser("reset-admin").await;
    admins.sign_in(ADMIN, ADMIN_PASSWORD).await;
    admins.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&admins.text("#secret").await);
    admins.enter_code(&app.code().await).await;
    admins.arrives_at("/sign-in/all-set").await;
    admins.open("/admin/users").await;
    assert!(admins.text("#coverage").await.contains("With a smartphone"));
    admins.click("#reset-2").await;
    assert!(admins.page_text().await.contains("My phone"), "what is lost is named");
    admins.picture("ask").await;
    admins.as_phone().await;
    admins.fits_its_width().await;
    admins.as_ever().await;
    users.open("/profile").await;
    users.arrives_at("/profile").await;
    admins.click("#submit").await;
    let ticket = admins.text("#ticket-text").await;
    assert!(admins.text("#ticket-title").await.contains("Ada Reyes"));
    assert_eq!(admins.text("#must-register").await, "1");
    admins.whole_picture("users").await;
    admins.open("/admin/users").await;
    assert!(!admins.page_text().await.contains(&ticket), "a ticket is shown once");

    // The open session ends, and neither the password nor the lost smartphone opens another one.
    users.open("/profile").await;
    users.arrives_at("/sign-in").await;
    assert!(users.newest_mail(ADA).await.contains("removed every device"));
    users.sign_in(ADA, PASSWORD).await;
    users.arrives_at("/sign-in/choose").await;
    for path in ["/sign-in/app", "/sign-in/recovery", "/sign-in/register"] {
        users.open(path).await;
        assert_ne!(users.path().await, path, "the page is not there any more");
    }
    users.click("#way-ticket").await;
    users.enter_code(&ticket).await;
    users.arrives_at("/sign-in/choose").await;
    users.click("#way-register").await;
    users.arrives_at("/sign-in/register").await;
    let mut new = Authenticator::typed(&users.text("#secret").await);
    assert_ne!(new.secret(), lost.secret());
    users.enter_code(&lost.code().await).await;
    assert!(!users.text("#code-error").await.is_empty());
    users.enter_code(&new.code().await).await;
    users.arrives_at("/sign-in/all-set").await;

    // Who did it is on record.
    admins.open("/admin/audit").await;
    let log = admins.text("#events").await;
    assert!(log.contains("All factors were reset by administrator 1") && log.contains("Ada Reyes"), "{log}");
    admins.picture("audit").await;
    admins.as_phone().await;
    admins.fits_its_width().await;
    admins.picture("audit-phone").await;
    admins.client.clone().close().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_session_of_an_administrator_proves_itself_before_it_weakens_an_account() {
    let world = World::on_disk("reset-proof").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    browser.sign_up("Bo Lind", "bo@larkfield.example").await;
    browser.with_a_smartphone("Ada Reyes", ADA).await;
    browser.sign_out().await;
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    world.age_proofs(10 * 60).await;

    browser.open("/admin/users").await;
    browser.click("#reset-3").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/prove/app").await;
    assert!(browser.page_text().await.contains("before you reset a sign-in"));
    browser.picture("asked").await;
    browser.click("#cancel").await;
    browser.arrives_at("/admin/users").await;
    assert!(browser.page_text().await.contains("1 smartphone"), "it is left as it is");

    // What is typed for an exemption comes after the proof.
    browser.click("#exempt-2").await;
    browser.arrives_at("/profile/prove/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/admin/users/2/exemption").await;
    browser.fill("#reason", "Waits for a smartphone").await;
    browser.click("#submit").await;
    browser.arrives_at("/admin/users").await;
    assert!(browser.has(".exemption").await);

    // While that is fresh, nothing is asked for again.
    browser.click("#ticket-2").await;
    assert!(browser.text("#ticket-title").await.contains("Bo Lind"));
    browser.click("#reset-3").await;
    browser.click("#submit").await;
    assert!(browser.text("#ticket-title").await.contains("Ada Reyes"));
    world.end().await;
}
