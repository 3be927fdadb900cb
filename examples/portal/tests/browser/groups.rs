//! A group that is asked for more, a user who is, and settings that would ask for less.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Browser, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const BO: &str = "bo@larkfield.example";
const CY: &str = "cy@larkfield.example";
const MAIL: Company = Company { enforce: true, app: false, email: true, both: false, first: "after_email_code" };
const APP: Company = Company { app: true, email: false, ..MAIL };

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_stricter_group_is_asked_for_more_than_a_colleague() {
    let world = World::start("groups").await;
    let browser = &world.browser;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_up("Bo Lind", BO).await;
    browser.sign_up("Cy Marsh", CY).await;
    browser.company(MAIL).await;
    let admins = world.second_browser("groups-admin").await;
    admins.sign_in_by_mail(ADMIN, ADMIN_PASSWORD).await;

    group_of(&admins, "Accounting", 2).await;
    admins.click("#security").await;
    admins.fill_in_here(APP).await;
    admins.show_preview().await;
    let effects = admins.text("#effects").await;
    assert!(effects.contains("Must register a smartphone") && effects.contains("Ada Reyes"), "{effects}");
    assert!(!admins.text("#preview-result").await.contains("Bo Lind"), "it does not concern him");
    admins.whole_picture("settings").await;
    admins.save().await;

    with_code(browser, ADA).await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.open("/dashboard").await;
    assert!(browser.text("#beside").await.contains("Accounting"));
    browser.sign_out().await;
    with_code(browser, BO).await;
    browser.arrives_at("/dashboard").await;
    assert!(!browser.has("#beside").await);
    browser.sign_out().await;

    // What would be weaker changes nothing.
    group_of(&admins, "Guests", 3).await;
    admins.click("#security").await;
    admins.fill_in_here(Company { enforce: false, app: true, first: "after_password", ..MAIL }).await;
    admins.show_preview().await;
    assert!(admins.text("#effects").await.contains("No user is affected"));
    admins.save().await;
    browser.sign_in(BO, PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    browser.click("#cancel").await;

    // One user alone, whatever the groups.
    admins.open("/admin/users").await;
    let people = admins.page_text().await;
    assert!(people.contains("and those of: Accounting") && people.contains("and those of: Guests"), "{people}");
    admins.whole_picture("users").await;
    admins.as_phone().await;
    admins.fits_its_width().await;
    admins.as_ever().await;
    admins.click("#security-4").await;
    admins.fill_in_here(APP).await;
    admins.show_preview().await;
    assert!(admins.text("#effects").await.contains("Cy Marsh"));
    admins.save().await;
    with_code(browser, CY).await;
    browser.arrives_at("/sign-in/register").await;

    // It is taken back as it was given, and all of it is on record.
    admins.click("#withdraw").await;
    admins.arrives_at("/admin/users").await;
    admins.open("/admin/audit").await;
    let log = admins.text("#events").await;
    for words in [
        "for the group Accounting",
        "who is in the group Guests",
        "Deleted what was asked for",
        "for the user Cy Marsh",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    admins.client.clone().close().await.unwrap();
    world.end().await;
}

/// Makes a group of one user.
async fn group_of(browser: &Browser, name: &str, member: i64) {
    browser.open("/admin/groups").await;
    browser.fill("#name", name).await;
    browser.click("#submit").await;
    browser.tick(&format!("input[name=member][value='{member}']")).await;
    browser.picture("group").await;
    browser.click("#submit").await;
    assert!(browser.text("#notice").await.contains("members are saved"));
}

/// The password, and the code that is sent.
async fn with_code(browser: &Browser, email: &str) {
    browser.sign_in(email, PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    let code = browser.mailed_code(email).await;
    browser.enter_code(&code).await;
}
