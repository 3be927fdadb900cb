//! What stands before a second factor: accounts, passwords, sessions.

use crate::support::{ADMIN, ADMIN_PASSWORD, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_then_in_then_out() {
    let world = World::start("accounts").await;
    let browser = &world.browser;

    browser.open("/").await;
    browser.arrives_at("/sign-in").await;
    browser.picture("sign-in").await;
    browser.open("/sign-up").await;
    browser.fill("#name", "Ada Reyes").await;
    browser.fill("#email", "ada@larkfield.example").await;
    browser.fill("#password", "too short").await;
    browser.click("button.primary").await;
    assert!(browser.text("#password-error").await.contains("15 characters"));
    let focused = browser.client.active_element().await.unwrap();
    assert_eq!(focused.attr("id").await.unwrap().as_deref(), Some("password"), "the focus is on the error");
    assert!(focused.attr("aria-describedby").await.unwrap().unwrap().contains("password-error"));
    browser.picture("sign-up-error").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.arrives_at("/sign-in").await;
    assert!(browser.has("#notice").await);

    browser.sign_in("ada@larkfield.example", PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#welcome").await.contains("Ada Reyes"));
    assert_eq!(browser.text("#proved").await, "Password");
    browser.picture("dashboard").await;
    let cookies = browser.client.get_all_cookies().await.unwrap();
    let session = cookies.iter().find(|cookie| cookie.name() == "__Host-session").unwrap();
    assert_eq!((session.http_only(), session.secure()), (Some(true), Some(true)));

    browser.open("/admin/security").await;
    assert!(browser.page_text().await.contains("no such page"), "a user is no administrator");
    browser.open("/profile").await;
    browser.picture("profile").await;
    browser.sign_out().await;
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_look_alike() {
    let world = World::start("wrong-password").await;
    let browser = &world.browser;
    let mut seen = Vec::new();
    for email in [ADMIN, "nobody@larkfield.example", "no address at all"] {
        browser.open("/sign-in").await;
        // The field takes only addresses: the browser's own check is not what is tested here.
        browser.client.execute("document.querySelector('#email').type = 'text'", Vec::new()).await.unwrap();
        browser.fill("#email", email).await;
        browser.fill("#password", "not the password at all").await;
        browser.click("button.primary").await;
        seen.push(browser.text("main").await);
    }
    assert!(seen[0].contains("not right"), "{}", seen[0]);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");

    // An address that is taken is not told by the sign-up either; its owner gets a mail.
    browser.sign_up("Somebody", ADMIN).await;
    let taken = browser.text("#notice").await;
    browser.sign_up("Somebody", "new@larkfield.example").await;
    assert_eq!(browser.text("#notice").await, taken);
    browser.open("/mailbox").await;
    assert!(browser.text(".mails").await.contains("already have a Larkfield account"));
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.arrives_at("/dashboard").await;
    world.end().await;
}
