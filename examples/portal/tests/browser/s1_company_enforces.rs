//! S1: an administrator enforces MFA for the company.

use crate::support::{Company, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn s1_what_the_administrator_decides_holds_for_everybody() {
    let world = World::start("s1").await;
    let browser = &world.browser;
    browser.sign_up("Ada Reyes", "ada@larkfield.example").await;
    browser.sign_in("ada@larkfield.example", PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    browser.company(Company { enforce: true, app: false, email: true, both: false, first: "after_email_code" }).await;
    browser.sign_in("ada@larkfield.example", PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;

    // The administrator is part of the company.
    browser.sign_in_by_mail(crate::support::ADMIN, crate::support::ADMIN_PASSWORD).await;
    assert!(browser.page_text().await.contains("MFA is enforced"));
    browser.as_phone().await;
    for path in ["/admin/security", "/admin/users"] {
        browser.open(path).await;
        browser.fits_its_width().await;
        browser.picture(path.trim_start_matches("/admin/")).await;
    }
    world.end().await;
}
