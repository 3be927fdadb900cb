//! An account that is disabled, enabled again and deleted, by keyboard alone.

use crate::reachable::{enter, focused, tab_to};
use crate::support::{ADMIN, ADMIN_PASSWORD, Browser, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";

/// Presses the button or follows the link, and waits for the page.
async fn choose(browser: &Browser, id: &str, page: &str) {
    tab_to(browser, id).await;
    enter(browser).await;
    browser.arrives_at(page).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_disabled_enabled_and_deleted_by_keyboard() {
    let world = World::start("account-end").await;
    let admins = &world.browser;
    admins.sign_up("Ada Reyes", ADA).await;
    let users = world.second_browser("account-end-user").await;
    users.sign_in(ADA, PASSWORD).await;
    users.arrives_at("/dashboard").await;

    admins.sign_in(ADMIN, ADMIN_PASSWORD).await;
    admins.arrives_at("/dashboard").await;
    admins.open("/admin/users").await;
    choose(admins, "disable-2", "/admin/users/2/disable").await;
    let page = admins.page_text().await;
    assert!(page.contains("Disable the account of Ada Reyes?") && page.contains(ADA), "{page}");
    admins.picture("disable").await;
    admins.as_phone().await;
    admins.fits_its_width().await;
    admins.as_ever().await;
    choose(admins, "submit", "/profile/prove/email").await;
    let code = admins.mailed_code(ADMIN).await;
    assert_eq!(focused(admins).await, "code", "the first field has the focus");
    admins.enter_code(&code).await;
    admins.arrives_at("/admin/users").await;
    assert!(admins.text("#notice").await.contains("The account is disabled"));
    admins.whole_picture("disabled").await;
    admins.as_phone().await;
    admins.fits_its_width().await;
    admins.as_ever().await;
    users.open("/profile").await;
    users.arrives_at("/sign-in").await;
    users.sign_in(ADA, PASSWORD).await;
    assert!(users.text("#form-error").await.contains("not right"), "no word of the account");

    choose(admins, "enable-2", "/admin/users").await;
    admins.says("#notice", "The account is enabled").await;
    users.sign_in(ADA, PASSWORD).await;
    users.arrives_at("/dashboard").await;
    users.open("/profile").await;
    choose(&users, "delete-account", "/profile/delete").await;
    users.picture("delete").await;
    users.as_phone().await;
    users.fits_its_width().await;
    users.as_ever().await;
    choose(&users, "submit", "/profile/prove/email").await;
    let code = users.mailed_code(ADA).await;
    users.enter_code(&code).await;
    users.arrives_at("/sign-in").await;
    assert!(users.text("#notice").await.contains("Your account is deleted"));

    // The address gets a new account, which an administrator deletes.
    users.sign_up("Ada Lind", ADA).await;
    users.sign_in(ADA, PASSWORD).await;
    users.arrives_at("/dashboard").await;
    admins.open("/admin/users").await;
    choose(admins, "delete-3", "/admin/users/3/delete").await;
    choose(admins, "submit", "/admin/users").await;
    admins.says("#notice", "The account is deleted").await;
    assert!(!admins.has("#delete-3").await && admins.has("#delete-1").await);
    users.open("/profile").await;
    users.arrives_at("/sign-in").await;
    admins.open("/admin/audit").await;
    let log = admins.text("#events").await;
    for words in
        ["Deleted the account of Ada Lind", "Deleted the account of Ada Reyes", "Disabled the account of Ada Reyes"]
    {
        assert!(log.contains(words), "{words}: {log}");
    }
    users.client.clone().close().await.unwrap();
    world.end().await;
}
