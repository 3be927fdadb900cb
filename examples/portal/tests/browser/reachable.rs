//! A whole flow without a mouse.

use fantoccini::key::Key;

use crate::authenticator::Authenticator;
use crate::support::{Browser, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_at_login_by_keyboard_alone() {
    let world = World::start("keyboard").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;

    browser.open("/sign-in").await;
    assert_eq!(focused(browser).await, "email", "the first field has the focus");
    typed(browser, ADA).await;
    tab_to(browser, "password").await;
    typed(browser, PASSWORD).await;
    enter(browser).await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);

    // The first stop of every page skips what is the same on each.
    press(browser, Key::Tab).await;
    let skip = browser.client.active_element().await.unwrap();
    assert_eq!(skip.text().await.unwrap(), "Skip to the content");
    tab_to(browser, "code").await;
    typed(browser, &app.code().await).await;
    enter(browser).await;
    browser.arrives_at("/sign-in/all-set").await;
    if focused(browser).await != "continue" {
        tab_to(browser, "continue").await;
    }
    enter(browser).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}

pub(crate) async fn focused(browser: &Browser) -> String {
    browser.client.active_element().await.unwrap().attr("id").await.unwrap().unwrap_or_default()
}

async fn press(browser: &Browser, key: Key) {
    browser.client.active_element().await.unwrap().send_keys(&char::from(key).to_string()).await.unwrap();
}

async fn typed(browser: &Browser, text: &str) {
    browser.client.active_element().await.unwrap().send_keys(text).await.unwrap();
}

pub(crate) async fn enter(browser: &Browser) {
    press(browser, Key::Enter).await;
}

/// Presses Tab until the element has the focus. Each stop on the way can be seen.
pub(crate) async fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..40 {
        press(browser, Key::Tab).await;
        let outline = browser
            .client
            .execute("return getComputedStyle(document.activeElement).outlineStyle", vec![])
            .await
            .unwrap();
        assert_eq!(outline, "solid", "the focus on {:?} is visible", focused(browser).await);
        if focused(browser).await == id {
            return;
        }
    }
    panic!("{id} cannot be reached by keyboard");
}
