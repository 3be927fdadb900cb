//! A user who comes from another system keeps the smartphone and the recovery codes from there.

use serde_json::json;

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DP";
const CODES: [&str; 3] = ["4fd1a09c3b", "Zr7-kk20-b1", "93ab55e012"];

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_of_another_system_open_once_beside_ours() {
    let world = World::start("moving").await;
    let browser = &world.browser;
    browser.company(Company { enforce: false, app: true, email: true, both: false, first: "after_email_code" }).await;
    browser.sign_up("Ada Reyes", ADA).await;

    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.open("/admin/users").await;
    browser.click("#move-in").await;
    browser.arrives_at("/profile/prove/email").await;
    browser.enter_mailed_code(ADMIN).await;
    browser.arrives_at("/admin/moving").await;
    let hashes: Vec<String> = CODES.iter().map(|code| bcrypt::hash(code, 4).unwrap()).collect();
    let row = json!({
        "email": ADA, "otp_secret": SECRET, "consumed_timestep": 50_000_000, "otp_backup_codes": hashes,
    });
    let import = async |row: &str| {
        browser.fill("#rows", row).await;
        browser.click("#submit").await;
        browser.text("#results").await
    };
    assert!(import(&row.to_string()).await.contains("a smartphone, and 3 recovery codes"));
    browser.picture("results").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.as_ever().await;
    assert!(import(&row.to_string()).await.contains("already has, or had, a second factor"), "it can be done again");
    assert!(import("{}").await.contains("no user of the other system"));
    browser.open("/admin/audit").await;
    assert!(browser.text("#events").await.contains("Imported from another system, with 3 recovery codes"));
    browser.sign_out().await;

    // One of the codes opens, once.
    let recovered = async |code: &str| {
        browser.sign_in(ADA, PASSWORD).await;
        browser.arrives_at("/sign-in/app").await;
        browser.click("#recovery").await;
        assert!(browser.text("#code-hint").await.contains("previous system"));
        browser.enter_code(code).await;
        browser.path().await == "/completion"
    };
    assert!(recovered(CODES[1]).await);
    assert!(browser.text("#codes-left").await.contains("2 recovery codes left"));
    assert!(browser.newest_mail(ADA).await.contains("recovery code"));
    browser.sign_out().await;
    assert!(!recovered(CODES[1]).await);
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.picture("refused").await;
    browser.enter_code(&CODES[0].to_uppercase()).await;
    assert!(browser.text("#code-error").await.contains("didn't work"), "it is spelled as it was there");
    browser.enter_code(CODES[0]).await;
    browser.arrives_at("/completion").await;
    browser.sign_out().await;

    // The smartphone works as before. Codes of ours take the place of the ones that are left, in the same field.
    let mut app = Authenticator::typed(SECRET);
    browser.sign_in(ADA, PASSWORD).await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    let ours = browser.make_recovery_codes().await;
    browser.sign_out().await;
    assert!(!recovered(CODES[2]).await);
    browser.enter_code(&ours[4]).await;
    browser.arrives_at("/completion").await;
    world.end().await;
}
