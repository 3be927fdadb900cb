//! An attacker with the password blocks the sign-in from new browsers, and nothing else. An administrator unblocks it.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const BLOCKED: &str = "Sign-in from new browsers is blocked.";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_block_new_browsers_and_the_owners_browser_signs_in_as_ever() {
    let world = World::start("new-browsers").await;
    let owner = &world.browser;
    owner.company(Company { enforce: true, app: true, email: false, both: false, first: "after_password" }).await;
    let mut app = owner.with_a_smartphone("Ada Reyes", ADA).await.by(&world.ahead);
    owner.sign_out().await;
    // The administrator uses the same computer: each of the two keeps a cookie there.
    owner.sign_in(ADMIN, ADMIN_PASSWORD).await;
    owner.arrives_at("/sign-in/register").await;
    let mut admins = Authenticator::typed(&owner.text("#secret").await).by(&world.ahead);
    owner.enter_code(&admins.code().await).await;
    owner.arrives_at("/sign-in/all-set").await;
    owner.sign_out().await;

    let attacker = world.second_browser("new-browsers-attacker").await;
    for lock in 0..6 {
        attacker.sign_in(ADA, PASSWORD).await;
        attacker.arrives_at("/sign-in/app").await;
        assert!(!attacker.has("#code-error").await, "{}", attacker.page_text().await);
        for (guess, wrong) in app.wrong_codes(5).iter().enumerate() {
            attacker.enter_code(wrong).await;
            let expected = [
                "Wait for the next one.",
                "That code didn't work.",
                "2 attempts left before a short lockout.",
                "1 attempt left before a short lockout.",
                "Too many attempts. Try again in",
            ];
            attacker.says("#code-error", expected[guess]).await;
        }
        if lock == 0 {
            attacker.picture("locked").await;
            let mail = owner.newest_mail(ADA).await;
            assert!(mail.contains("entered wrong codes") && mail.contains("change your password"), "{mail}");
        }
        world.wait(60 << lock);
    }
    let mail = owner.newest_mail(ADA).await;
    assert!(mail.contains("New browsers are blocked until you change it"), "{mail}");

    // The attacker and every other new browser are told at once, and a right code changes nothing.
    attacker.sign_in(ADA, PASSWORD).await;
    attacker.says("#code-error", BLOCKED).await;
    let new = world.second_browser("new-browsers-new").await;
    new.sign_in(ADA, PASSWORD).await;
    new.arrives_at("/sign-in/app").await;
    new.says("#code-error", BLOCKED).await;
    new.enter_code(&app.code().await).await;
    new.says("#code-error", BLOCKED).await;
    new.picture("blocked").await;
    new.as_phone().await;
    new.fits_its_width().await;
    new.as_ever().await;
    new.open("/dashboard").await;
    new.arrives_at("/sign-in").await;

    // The owner's browser notices nothing of it, and its profile tells.
    owner.sign_in(ADA, PASSWORD).await;
    owner.arrives_at("/sign-in/app").await;
    assert!(!owner.has("#code-error").await, "{}", owner.page_text().await);
    owner.enter_code(&app.code().await).await;
    owner.arrives_at("/dashboard").await;
    owner.open("/profile").await;
    assert!(owner.text("#blocked").await.contains("change your password"));
    owner.picture("profile").await;
    owner.sign_out().await;

    // The administrator unblocks it, after a fresh proof.
    owner.sign_in(ADMIN, ADMIN_PASSWORD).await;
    owner.arrives_at("/sign-in/app").await;
    owner.enter_code(&admins.code().await).await;
    owner.arrives_at("/dashboard").await;
    world.wait(10 * 60);
    owner.open("/admin/users").await;
    assert!(owner.text(".blocked").await.contains("Sign-in from new browsers is blocked until 20"));
    owner.whole_picture("users").await;
    owner.as_phone().await;
    owner.fits_its_width().await;
    owner.as_ever().await;
    owner.click("#unblock-2").await;
    owner.arrives_at("/profile/prove/app").await;
    new.sign_in(ADA, PASSWORD).await;
    new.says("#code-error", BLOCKED).await;
    owner.enter_code(&admins.code().await).await;
    owner.arrives_at("/admin/users").await;
    owner.says("#notice", "New browsers are unblocked for this user.").await;
    assert!(!owner.has(".blocked").await && !owner.has("#unblock-2").await);
    let mail = owner.newest_mail(ADA).await;
    assert!(mail.contains("New browsers can sign in to your"), "{mail}");
    owner.open("/admin/audit").await;
    let log = owner.text("#events").await;
    for words in [
        "Sign-in from new browsers is blocked after too many wrong codes",
        "Sign-in from new browsers was unblocked by administrator 1",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }

    new.sign_in(ADA, PASSWORD).await;
    new.arrives_at("/sign-in/app").await;
    assert!(!new.has("#code-error").await, "{}", new.page_text().await);
    new.enter_code(&app.code().await).await;
    new.arrives_at("/dashboard").await;
    attacker.client.clone().close().await.unwrap();
    new.client.clone().close().await.unwrap();
    world.end().await;
}
