//! S5: a code by e-mail at login, sent by itself to the address of the login.

use crate::support::{Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

#[tokio::test(flavor = "multi_thread")]
async fn s5_email_code_at_login() {
    let world = World::start("s5").await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: false, email: true, both: false, first: "after_email_code" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    let before = browser.mails().await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    assert_eq!(browser.mails().await, before + 1, "the code is sent without being asked for");
    let page = browser.page_text().await;
    assert!(page.contains("a•••@larkfield.example") && !page.contains(ADA), "{page}");
    browser.picture("code").await;
    let code = browser.mailed_code(ADA).await;

    // Looking at the page again sends nothing.
    browser.open("/sign-in/email").await;
    assert_eq!(browser.mails().await, before + 1);

    // Six digits are no code of this kind; eight wrong ones are a wrong code.
    browser.enter_code("000000").await;
    assert!(browser.text("#code-error").await.contains("8 digits"));
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    browser.enter_code(wrong).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.enter_code(&code).await;
    browser.arrives_at("/dashboard").await;
    assert!(browser.text("#proved").await.contains("e-mail code"));
    browser.open("/profile").await;
    assert!(browser.page_text().await.contains("Verified"));
    browser.sign_out().await;

    // A code is good once, and for its own login.
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/email").await;
    browser.enter_code(&code).await;
    assert!(browser.text("#code-error").await.contains("didn't work"));
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;
    world.end().await;
}
