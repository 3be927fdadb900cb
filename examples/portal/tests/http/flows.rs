//! Flows of the second factor where a browser, a mail server or the database does not behave.

use portal::{Database, Running};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::people::{self, User, decided};
use crate::wire::{Answer, Folder, OnDisk, PASSWORD, Visit, credentials, get, post, start};

const EMAIL_CODES: &str = "enforce=yes&email=on&first=after_password";

#[tokio::test]
async fn mail_that_is_refused_is_told_and_signs_nobody_in() {
    let portal = OnDisk::start().await;
    decided(&portal, EMAIL_CODES).await;
    let visit = Visit::begin(&portal).await;
    let ada = format!("name=Ada&email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", visit.csrf);
    assert_eq!(post(&portal, "/sign-up", &visit.cookie, &ada).await.status, 303);
    let portal = portal.without_mail().await;
    let answer = post(&portal, "/sign-in", &visit.cookie, &ada).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in/email")));
    assert!(!answer.sets("__Host-session"));
    let (login, notice) = (answer.cookie_of("__Host-login").unwrap(), answer.cookie_of("__Host-notice").unwrap());
    let page = get(&portal, "/sign-in/email", &format!("{}; {login}; {notice}", visit.cookie)).await;
    assert!(page.body.contains("couldn&#39;t send the mail") && !page.body.contains("We sent a code"), "{}", page.body);
    // The user can ask again at once.
    let again =
        post(&portal, "/sign-in/email/send", &format!("{}; {login}", visit.cookie), &format!("csrf={}", visit.csrf))
            .await;
    assert_eq!(again.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=mail"), "not too soon, and not sent");
    assert_eq!(get(&portal, "/mailbox", "").await.status, 404, "there is no such page where mail is sent");
    portal.stop().await;
}

#[tokio::test]
async fn a_second_sign_in_at_once_is_told_that_no_code_was_sent() {
    let portal = start(Database::Memory).await.unwrap();
    decided(&portal, EMAIL_CODES).await;
    let visit = Visit::begin(&portal).await;
    let ada = format!("name=Ada&email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", visit.csrf);
    assert_eq!(post(&portal, "/sign-up", &visit.cookie, &ada).await.status, 303);
    let codes = async || get(&portal, "/mailbox", "").await.body.matches("Your Larkfield code").count();
    let before = codes().await;
    for (notice, sent) in [(None, true), (Some("__Host-notice=soon"), false)] {
        let answer = post(&portal, "/sign-in", &visit.cookie, &ada).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in/email")));
        assert_eq!(answer.cookie_of("__Host-notice").as_deref(), notice);
        let cookies = format!("{}; {}", visit.cookie, answer.cookie_of("__Host-login").unwrap());
        let page = get(&portal, "/sign-in/email", &cookies).await;
        assert_eq!(page.body.contains("We sent a code"), sent, "{}", page.body);
    }
    assert_eq!(codes().await, before + 1);
    portal.stop().await;
}

#[tokio::test]
async fn a_mail_of_a_change_that_is_not_sent_is_told_and_the_change_holds() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, people::admin(&portal).await).await;
    let portal = portal.without_mail().await;
    let done = admin.post(&portal, "/admin/users/1/reset", "").await;
    assert!(done.body.contains("id=\"ticket-text\"") && done.body.contains("could not be delivered"), "{}", done.body);
    assert_eq!(password(&portal).await.1.header("location"), Some("/dashboard"), "there is no smartphone any more");
    portal.stop().await;
}

#[tokio::test]
async fn a_store_that_fails_is_no_wrong_code_and_lets_nobody_in() {
    let folder = Folder::new();
    let file = folder.0.join("portal.db");
    let portal = start(Database::File(file.clone())).await.unwrap();
    let options = SqliteConnectOptions::new().filename(&file);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("DROP TABLE factorgate_records").execute(&mut connection).await.unwrap();

    let (_, answer) = password(&portal).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("check that right now") && !answer.body.contains("not right"));
    assert!(!answer.sets("__Host-session") && !answer.sets("__Host-login"));
    portal.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_and_every_sign_in_that_is_under_way() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, people::admin(&portal).await).await;
    let (elsewhere, answer) = password(&portal).await;
    let cookies = format!("{}; {}", elsewhere.cookie, answer.cookie_of("__Host-login").unwrap());
    let code = format!("csrf={}&code={}", elsewhere.csrf, user.code(0));
    let elsewhere = elsewhere.entered(&portal, post(&portal, "/sign-in/app", &cookies, &code).await).await;
    let (thief, answer) = password(&portal).await;
    assert_eq!(answer.header("location"), Some("/sign-in/app"));
    let cookies = format!("{}; {}", thief.cookie, answer.cookie_of("__Host-login").unwrap());
    assert_eq!(get(&portal, "/sign-in/app", &cookies).await.status, 200, "the sign-in is under way");
    assert_eq!(get(&portal, "/dashboard", &elsewhere.cookie).await.status, 200);

    let form = |current: &str| format!("current={current}&new=a+new+one+of+words");
    let wrong = user.post(&portal, "/profile/password", &form("wrong")).await;
    assert!(wrong.status == 422 && wrong.body.contains("not your password"), "{}", wrong.body);
    let changed = user.post(&portal, "/profile/password", &form("the+administrator%27s+own")).await;
    assert_eq!((changed.status, changed.header("location")), (303, Some("/profile")));

    let old = &user.visit.cookie;
    assert_eq!(get(&portal, "/dashboard", old).await.status, 303, "a copy of the cookie is good for nothing");
    let anew = changed.cookie_of("__Host-session").unwrap();
    assert_eq!(get(&portal, "/dashboard", &anew).await.status, 200, "who has changed it stays signed in");
    assert_eq!(get(&portal, "/dashboard", &elsewhere.cookie).await.status, 303);
    let late = post(&portal, "/sign-in/app", &cookies, &format!("csrf={}&code={}", thief.csrf, user.code(1))).await;
    assert_eq!((late.status, late.header("location")), (303, Some("/sign-in")), "the right code comes too late");
    assert!(!late.sets("__Host-session"));
    let (_, old) = password(&portal).await;
    assert_eq!(old.status, 422, "the old password is not taken");
    portal.stop().await;
}

#[tokio::test]
async fn a_registration_is_its_own_users_and_its_page_is_as_closed_as_any() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = decided(&portal, "enforce=no&first=after_password").await;
    let nobody = Visit::begin(&portal).await;
    let fields = format!("name=Ada&email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", nobody.csrf);
    post(&portal, "/sign-up", &nobody.cookie, &fields).await;
    let ada = nobody.entered(&portal, post(&portal, "/sign-in", &nobody.cookie, &fields).await).await;

    let begun = post(&portal, "/profile/devices", &ada.cookie, &format!("csrf={}", ada.csrf)).await;
    assert_eq!(begun.header("location"), Some("/profile/devices/register"));
    let reference = begun.cookie_of("__Host-registration").unwrap();
    let page = "/profile/devices/register";
    let own = get(&portal, page, &format!("{}; {reference}", ada.cookie)).await;
    assert!(own.status == 200 && own.body.contains("<svg xmlns"), "{}", own.body);
    assert!(!own.body.contains("<script") && !own.body.contains(" style="));
    assert_eq!(own.header("cache-control"), Some("no-store"), "the secret is kept by no cache");

    let others = get(&portal, page, &format!("{}; {reference}", admin.cookie)).await;
    assert_eq!(others.header("location"), Some("/profile"));
    let login = reference.replace("__Host-registration", "__Host-login");
    let as_login = get(&portal, "/sign-in/register", &format!("{}; {login}", nobody.cookie)).await;
    assert_eq!(as_login.header("location"), Some("/sign-in"), "a registration is no sign-in");
    portal.stop().await;
}

/// A browser that has entered the administrator's password, and the answer to it.
async fn password(portal: &Running) -> (Visit, Answer) {
    let visit = Visit::begin(portal).await;
    let body = format!("{}&csrf={}", credentials(PASSWORD), visit.csrf);
    let answer = post(portal, "/sign-in", &visit.cookie, &body).await;
    (visit, answer)
}
