//! The server gets a new key, and the one before goes when nothing needs it.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, World};

const APP_ONLY: Company = Company { enforce: true, app: true, email: false, both: false, first: "after_password" };

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_goes_when_everything_is_re_encrypted() {
    let mut world = World::on_disk("keys").await;
    world.browser.company(APP_ONLY).await;
    world.browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    world.browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&world.browser.text("#secret").await);
    world.browser.enter_code(&app.code().await).await;
    world.browser.arrives_at("/sign-in/all-set").await;

    let [old, new] = world.change_server_key().await.map(|key| key.id().to_string());
    let browser = &world.browser;
    browser.open("/admin/users").await;
    browser.click("#server-keys").await;
    browser.arrives_at("/admin/keys").await;
    let keys = browser.text("#keys").await;
    assert!(keys.contains(&format!("{new} In use")) && keys.contains(&format!("{old} Needed")), "{keys}");
    browser.click("#reencrypt").await;
    assert!(browser.text("#step").await.contains("1 record was re-encrypted"));
    let keys = browser.text("#keys").await;
    assert!(keys.contains(&format!("{old} Can be dropped")), "{keys}");
    browser.picture("reencrypted").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.as_ever().await;

    browser.sign_out().await;
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}
