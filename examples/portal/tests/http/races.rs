//! Sign-ins that are in flight while what they rest on is changed.

use std::time::Duration;

use portal::{Database, Running};

use crate::people::{ada, admin};
use crate::wire::{Visit, get, mailed_code, post, proved, send, start};

const AT_ONCE: usize = 16;

/// Sends sign-ins at once, makes a change `after` a while, and gives the sessions that were opened.
async fn race(portal: &Running, form: &str, after: Duration, change: impl Future<Output = ()>) -> Vec<String> {
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let browser = Visit::begin(portal).await;
        let body = format!("{form}&csrf={}", browser.csrf);
        sent.spawn(send(portal.addr, "/sign-in", browser.cookie, body));
    }
    tokio::time::sleep(after).await;
    change.await;
    let answers = sent.join_all().await;
    assert_eq!(answers.len(), AT_ONCE);
    let session = |answer: &String| {
        let line = answer.lines().find(|line| line.starts_with("set-cookie: __Host-session="))?;
        Some(line.trim_start_matches("set-cookie: ").split(';').next().unwrap().to_owned())
    };
    let opened = answers.iter().filter(|answer| answer.contains("location: /dashboard\r\n"));
    opened.filter_map(session).collect()
}

/// How many of the sessions are valid.
async fn alive(portal: &Running, sessions: &[String]) -> usize {
    let mut alive = 0;
    for session in sessions {
        alive += usize::from(get(portal, "/dashboard", session).await.status == 200);
    }
    alive
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_of_the_old_password_survives_its_change() {
    let portal = start(Database::Memory).await.unwrap();
    admin(&portal).await;
    let _ada = ada(&portal).await;
    let form = |n: usize| format!("email=ada%40larkfield.example&password=correct+horse+battery{}", "+x".repeat(n));
    // The control: without a change all of them are open, and stay so.
    let opened = race(&portal, &form(0), Duration::ZERO, async {}).await;
    assert_eq!((opened.len(), alive(&portal, &opened).await), (AT_ONCE, AT_ONCE));

    let mut opened_in_all = 0;
    for round in 0..5 {
        // The account may be tried so often: each round is of another one.
        let (old, new) = (form(0), "correct horse battery x".replace(' ', "+"));
        let email = format!("user{round}%40larkfield.example");
        let old = old.replace("ada%40larkfield.example", &email);
        let nobody = Visit::begin(&portal).await;
        let sign_up = format!("name=User&{old}&csrf={}", nobody.csrf);
        assert_eq!(post(&portal, "/sign-up", &nobody.cookie, &sign_up).await.status, 303);
        let answer = post(&portal, "/sign-in", &nobody.cookie, &format!("{old}&csrf={}", nobody.csrf)).await;
        let visit = nobody.entered(&portal, answer).await;
        let body = format!("csrf={}&current=correct+horse+battery&new={new}", visit.csrf);
        let change = async {
            let changed = post(&portal, "/profile/password", &visit.cookie, &body).await;
            assert_eq!(changed.header("location"), Some("/profile"), "{}", changed.body);
        };
        let opened = race(&portal, &old, Duration::from_millis(20 * round), change).await;
        assert_eq!(alive(&portal, &opened).await, 0, "round {round}: {} were opened", opened.len());
        opened_in_all += opened.len();
    }
    assert!(opened_in_all > 0, "the control: some sign-ins came before the change");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_of_the_old_address_survives_its_change() {
    let portal = start(Database::Memory).await.unwrap();
    admin(&portal).await;
    for round in 0..3 {
        let email = format!("user{round}%40larkfield.example");
        let form = format!("email={email}&password=correct+horse+battery");
        let nobody = Visit::begin(&portal).await;
        let sign_up = format!("name=User&{form}&csrf={}", nobody.csrf);
        assert_eq!(post(&portal, "/sign-up", &nobody.cookie, &sign_up).await.status, 303);
        let answer = post(&portal, "/sign-in", &nobody.cookie, &format!("{form}&csrf={}", nobody.csrf)).await;
        let visit = nobody.entered(&portal, answer).await;
        // Without a smartphone the step-up is a code to the old address.
        let (visit, asked) = proved(&portal, visit, "/profile/address/begin", "").await;
        assert_eq!(asked.header("location"), Some("/profile/address"));
        let body = format!("csrf={}&email=new{round}%40larkfield.example", visit.csrf);
        let begun = post(&portal, "/profile/address", &visit.cookie, &body).await;
        assert_eq!(begun.header("location"), Some("/profile/address/confirm"), "{}", begun.body);
        let code = mailed_code(&portal).await;
        let change = async {
            let body = format!("csrf={}&code={code}", visit.csrf);
            let changed = post(&portal, "/profile/address/confirm", &visit.cookie, &body).await;
            assert_eq!(changed.header("location"), Some("/profile"), "{}", changed.body);
        };
        let opened = race(&portal, &form, Duration::from_millis(40 * round), change).await;
        assert_eq!(alive(&portal, &opened).await, 0, "round {round}: {} were opened", opened.len());
    }
    portal.stop().await;
}
