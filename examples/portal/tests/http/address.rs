//! A new address is used after a code that was sent to it, and not before.

use portal::{Database, Running};

use crate::people::{User, ada, admin};
use crate::wire::{get, mailed_code, post, start};

const CONFIRM: &str = "/profile/address/confirm";

/// The address on the profile, and whether it is verified.
async fn address(portal: &Running, cookie: &str) -> (String, bool) {
    let page = get(portal, "/profile", cookie).await.body;
    let (_, rest) = page.split_once("<span id=\"email\">").unwrap();
    (rest.split('<').next().unwrap().to_owned(), rest.contains("Verified</span>"))
}

#[tokio::test]
async fn a_new_address_is_used_after_a_code_that_was_sent_to_it() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, admin(&portal).await).await;
    let other = User::register(&portal, ada(&portal).await).await;
    let old = ("admin@larkfield.example".to_owned(), true);
    let asked = user.post(&portal, "/profile/address", "email=new%40larkfield.example").await;
    assert_eq!(asked.header("location"), Some(CONFIRM), "{}", asked.body);
    assert_eq!(address(&portal, &user.visit.cookie).await, old, "nothing is changed yet");
    let again = user.post(&portal, "/profile/address", "email=third%40larkfield.example").await;
    assert!(again.status == 422 && again.body.contains("A code was sent a moment ago"), "{}", again.body);

    let code = mailed_code(&portal).await;
    let wrong = user.post(&portal, CONFIRM, "code=12345678").await;
    assert!(wrong.status == 422 && wrong.body.contains("didn&#39;t work"), "{}", wrong.body);
    // The code is of this session only.
    let others = other.post(&portal, CONFIRM, &format!("code={code}")).await;
    assert_eq!(others.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=address-over"));
    assert_eq!(address(&portal, &user.visit.cookie).await, old);

    let right = user.post(&portal, CONFIRM, &format!("code={code}")).await;
    assert_eq!(right.header("location"), Some("/profile"), "{}", right.body);
    assert_eq!(address(&portal, &user.visit.cookie).await, ("new@larkfield.example".to_owned(), true));
    let mail = get(&portal, "/mailbox", "").await.body;
    assert!(mail.contains("To admin@larkfield.example"), "the old address is told");
    portal.stop().await;
}

#[tokio::test]
async fn five_wrong_codes_leave_the_address_as_it_is() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, admin(&portal).await).await;
    user.post(&portal, "/profile/address", "email=new%40larkfield.example").await;
    let code = mailed_code(&portal).await;
    for _ in 0..5 {
        user.post(&portal, CONFIRM, "code=1").await;
    }
    let late = post(&portal, CONFIRM, &user.visit.cookie, &format!("csrf={}&code={code}", user.visit.csrf)).await;
    assert_eq!(late.header("location"), Some("/profile"));
    assert_eq!(address(&portal, &user.visit.cookie).await.0, "admin@larkfield.example");
    portal.stop().await;
}
