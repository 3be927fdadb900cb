//! What a change of the settings does is shown before it is saved, and what locks out every administrator is refused.

use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const STRICT: Company = Company { enforce: true, app: true, email: false, both: false, first: "with_ticket" };

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_over_the_real_users_and_the_named_override() {
    let world = World::start("preview").await;
    let browser = &world.browser;
    browser.sign_up("Ada Reyes", "ada@larkfield.example").await;
    browser.sign_up("Bo Lind", "bo@larkfield.example").await;
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;

    browser.preview(Company { first: "after_password", ..STRICT }).await;
    let effects = browser.text("#effects").await;
    assert!(effects.contains("Must register a smartphone") && effects.contains("Ada Reyes"), "{effects}");
    assert!(browser.text("#password-alone").await.contains("3 of 3 users now, 0 with these settings"));
    let odds = browser.text("#odds").await;
    assert!(odds.contains("Certain: no code is needed") && odds.contains("About 1 in"), "{odds}");
    assert!(browser.has("#save").await);

    browser.preview(STRICT).await;
    assert!(browser.text("#settings-error").await.contains("no administrator could sign in again"));
    let effects = browser.text("#effects").await;
    assert!(effects.contains("Locked out") && effects.contains("Issue a ticket"), "{effects}");
    assert!(!browser.has("#save").await && browser.has("#accept-lockout").await);
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.whole_picture("phone").await;
    browser.as_ever().await;

    // Nothing was saved so far. By name it is, and then it holds.
    browser.open("/admin/security").await;
    assert!(!browser.has("#preview-result").await);
    browser.preview(STRICT).await;
    browser.click("#accept-lockout").await;
    browser.confirm_by_mail().await;
    assert!(browser.text("#notice").await.contains("saved"));
    browser.sign_out().await;
    for (email, password) in [(ADMIN, ADMIN_PASSWORD), ("ada@larkfield.example", PASSWORD)] {
        browser.sign_in(email, password).await;
        assert!(browser.text("#denied").await.contains("ticket"));
    }
    world.end().await;
}
