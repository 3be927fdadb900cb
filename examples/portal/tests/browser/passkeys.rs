//! A passkey: the factor that the portal checks by itself, and the engine decides about.

use fantoccini::key::Key;
use serde_json::json;

use crate::security_key::SecurityKey;
use crate::support::{ADMIN, ADMIN_PASSWORD, Browser, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const OFF: Company = Company { enforce: false, app: true, email: true, both: false, first: "after_password" };
const ANSWER: &str = "form[data-passkey] input[name=credential]";

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_registered_signs_in_and_is_removed_on_a_fresh_proof() {
    let world = World::on_disk("passkey").await;
    let browser = &world.browser;
    browser.company(OFF).await;
    let _key = with_a_passkey(browser).await;
    assert_eq!(browser.text(".passkey .device-name").await, "Ada’s key");
    assert!(browser.newest_mail(ADA).await.contains("passkey"));
    browser.whole_picture("profile").await;
    browser.as_phone().await;
    browser.fits_its_width().await;
    browser.as_ever().await;
    browser.sign_out().await;

    // It is asked for, although the company enforces nothing.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/passkey").await;
    browser.picture("asked").await;
    let focused = browser.client.active_element().await.unwrap();
    focused.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    browser.arrives_at("/dashboard").await;
    assert!(browser.page_text().await.contains("Password + a passkey"));

    // The same device has one already. A second device would do: the passkey before it proves the user.
    browser.open("/profile").await;
    browser.click("#add-passkey").await;
    browser.arrives_at("/profile/devices/passkey").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/devices/new-passkey").await;
    browser.click_in_place("#submit").await;
    browser.says("#passkey-message", "has a passkey of yours already").await;
    let second = SecurityKey::plug_in_another(browser).await;
    browser.fill("#name", "Spare key").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;

    // Each of the two goes on a proof that is fresh.
    world.age_proofs(10 * 60).await;
    browser.open("/profile").await;
    browser.click(".passkey:nth-child(2) a.danger").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile/prove/passkey").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    assert_eq!(browser.text(".passkey .device-name").await, "Ada’s key");
    assert!(browser.newest_mail(ADA).await.contains("passkey was removed"));
    second.unplug().await;
    browser.click(".passkey a.danger").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    assert!(browser.has("#no-passkeys").await);
    browser.sign_out().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.open("/admin/audit").await;
    let log = browser.text("#events").await;
    for words in [
        "Registered a passkey",
        "Verified a passkey",
        "Removed a passkey",
        "Ended all other sessions",
        "The last passkey was removed",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_for_its_own_sign_in_once_and_a_copied_key_is_told_by_its_counter() {
    let world = World::start("passkey-replay").await;
    let browser = &world.browser;
    browser.company(OFF).await;
    let key = with_a_passkey(browser).await;
    browser.sign_out().await;
    let stolen = key.copy().await;

    // An answer as the script would fetch it, kept by somebody who has looked on.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/passkey").await;
    let answer = fetch_answer(browser).await;
    send_answer(browser, &answer).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/passkey").await;
    send_answer(browser, &answer).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    assert_eq!(browser.path().await, "/sign-in/passkey");
    browser.picture("refused").await;

    // A key that counts from before is a copy of another one.
    let genuine = key.copy().await;
    key.restore(&stolen).await;
    browser.click("#submit").await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    key.restore(&genuine).await;

    // Somebody else's finger: nothing was answered, and nothing is counted.
    key.knows_its_user(false).await;
    browser.click_in_place("#submit").await;
    browser.says("#passkey-message", "No passkey answered").await;
    key.knows_its_user(true).await;
    browser.click("#submit").await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.open("/admin/audit").await;
    assert_eq!(browser.text("#events").await.matches("Refused: a passkey").count(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_beside_a_smartphone_is_what_the_policy_says() {
    let world = World::start("passkey-policy").await;
    let browser = &world.browser;
    browser.sign_up("Bo Lind", "bo@larkfield.example").await;
    browser.company(Company { enforce: true, email: false, ..OFF }).await;
    let mut app = browser.with_a_smartphone("Ada Reyes", ADA).await;
    let _key = SecurityKey::plug_in(browser).await;
    browser.open("/profile").await;
    browser.click("#add-passkey").await;
    // The sign-in does not prove the smartphone for this: it is proved again.
    browser.arrives_at("/profile/devices/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/profile/devices/new-passkey").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    browser.sign_out().await;

    // The app is enforced, and a passkey does not stand in for it unless the administrator says so.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    assert!(!browser.has("#other-way").await);
    browser.click("#cancel").await;

    let admins = world.second_browser("passkey-admin").await;
    admins.sign_in(ADMIN, ADMIN_PASSWORD).await;
    admins.arrives_at("/sign-in/register").await;
    let mut admins_app = crate::authenticator::Authenticator::typed(&admins.text("#secret").await);
    admins.enter_code(&admins_app.code().await).await;
    admins.fill_in(Company { enforce: true, email: false, ..OFF }).await;
    admins.tick("input[name=passkey_stands_in]").await;
    admins.tick("input[name=passkey]").await;
    admins.show_preview().await;
    admins.save().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/choose").await;
    browser.picture("choose").await;
    browser.click("#way-passkey").await;
    browser.click("#submit").await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;

    // All of them: both are asked for, and who has no passkey has no way in.
    admins.fill_in(Company { enforce: true, email: false, both: true, ..OFF }).await;
    admins.show_preview().await;
    assert!(admins.text("#settings-error").await.contains("no administrator could sign in again"));
    assert!(admins.text("#preview-result").await.contains("there is no passkey"));
    admins.click("#accept-lockout").await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/passkey").await;
    browser.click("#submit").await;
    browser.arrives_at("/sign-in/app").await;
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/dashboard").await;
    browser.sign_out().await;
    browser.sign_in("bo@larkfield.example", PASSWORD).await;
    assert!(browser.text("#denied").await.contains("requires a passkey"));
    admins.client.clone().close().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_cannot_do_it_says_so() {
    let world = World::start("passkey-cannot").await;
    let browser = &world.browser;
    browser.company(OFF).await;
    let _key = with_a_passkey(browser).await;
    browser.sign_out().await;
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": "delete window.PublicKeyCredential"}))
        .await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/passkey").await;
    browser.says("#passkey-message", "knows no passkeys").await;
    browser.picture("old-browser").await;
    browser.click("#submit").await;
    assert!(browser.text("#code-error").await.contains("No passkey has answered"));
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    browser.open("/sign-in/passkey").await;
    assert!(browser.text("noscript").await.contains("needs a script"));
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": false})).await;
    world.end().await;
}

/// Ada, who has registered a passkey from her profile, and is signed in.
async fn with_a_passkey(browser: &Browser) -> SecurityKey<'_> {
    let key = SecurityKey::plug_in(browser).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    browser.open("/profile").await;
    browser.click("#add-passkey").await;
    browser.arrives_at("/profile/devices/new-passkey").await;
    browser.picture("new").await;
    browser.fill("#name", "Ada’s key").await;
    browser.click("#submit").await;
    browser.arrives_at("/profile").await;
    assert!(browser.text("#notice").await.contains("passkey is registered"));
    key
}

async fn fetch_answer(browser: &Browser) -> String {
    let script = "const options = JSON.parse(document.querySelector('form[data-passkey]').dataset.options);
                  const done = arguments[0];
                  navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})
                      .then((answer) => done(JSON.stringify(answer)), (error) => done(String(error)));";
    browser.client.execute_async(script, Vec::new()).await.unwrap().as_str().unwrap().to_owned()
}

async fn send_answer(browser: &Browser, answer: &str) {
    let script = format!("document.querySelector('{ANSWER}').value = arguments[0]");
    browser.client.execute(&script, vec![json!(answer)]).await.unwrap();
    browser.click("#submit").await;
}
