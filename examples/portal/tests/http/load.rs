//! Many requests at once, slow ones, and those that are meant for another server.

use std::time::{Duration, Instant};

use portal::{Config, Database, Limits, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::people::{User, admin};
use crate::wire::{PASSWORD, Visit, config, credentials, get, post, post_alone, send, start};

#[tokio::test]
async fn a_password_is_tried_so_often_and_then_the_right_one_is_not_taken_either() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let form = |password: &str| format!("{}&csrf={}", credentials(password), browser.csrf);
    for _ in 0..20 {
        assert_eq!(post(&portal, "/sign-in", &browser.cookie, &form("wrong")).await.status, 422);
    }
    let right = post(&portal, "/sign-in", &browser.cookie, &form(PASSWORD)).await;
    assert!(right.status == 429 && right.body.contains("Too many attempts"), "{}", right.body);
    assert!(!right.sets("__Host-session"));
    // Another account is not concerned.
    let other = format!("email=bo%40larkfield.example&password=wrong&csrf={}", browser.csrf);
    assert_eq!(post(&portal, "/sign-in", &browser.cookie, &other).await.status, 422);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_sign_ins_do_not_stall_other_requests() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let mut queued = tokio::task::JoinSet::new();
    for n in 0..120 {
        let body = format!("email={n}%40larkfield.example&password=wrong&csrf={}", browser.csrf);
        queued.spawn(send(portal.addr, "/sign-in", browser.cookie.clone(), body));
    }
    // The first answers show that the queue is moving; most of it is still there.
    queued.join_next().await.unwrap().unwrap();
    let begun = Instant::now();
    assert_eq!(get(&portal, "/sign-in", &browser.cookie).await.status, 200);
    let (took, waiting) = (begun.elapsed(), queued.len());
    assert!(waiting > 60, "the control: {waiting} sign-ins are still in the queue");
    let begun = Instant::now();
    while let Some(answer) = queued.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    }
    let rest = begun.elapsed();
    assert!(took < Duration::from_millis(500) && took * 4 < rest, "{took:?} beside a queue of {rest:?}");
    portal.stop().await;
}

async fn limited(limits: Limits) -> Running {
    portal::serve(Config { limits, ..config(Database::Memory) }).await.unwrap()
}

/// Sends the beginning of a request and nothing more. Returns the answer when the server closes the connection.
async fn left_hanging(portal: &Running, beginning: &str, patience: Duration) -> Option<(String, Duration)> {
    let mut stream = TcpStream::connect(portal.addr).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut answer = String::new();
    let read = tokio::time::timeout(patience, stream.read_to_string(&mut answer)).await;
    read.is_ok().then(|| (answer, begun.elapsed()))
}

const HALF_A_HEAD: &str = "GET /sign-in HTTP/1.1\r\nHost: localhost\r\nX: ";
const HALF_A_FORM: &str = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                           Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nemail=";

#[tokio::test]
async fn half_a_head_is_given_up_after_its_time() {
    let head = Duration::from_millis(700);
    let portal = limited(Limits { head, ..Limits::default() }).await;
    let (answer, took) = left_hanging(&portal, HALF_A_HEAD, Duration::from_secs(9)).await.unwrap();
    assert!(took >= head, "{took:?}");
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The control: the time of the head is not the time of the request, whose form comes later.
    assert_eq!(left_hanging(&portal, HALF_A_FORM, head * 3).await, None);
    portal.stop().await;
}

#[tokio::test]
async fn half_a_form_is_answered_after_the_time_of_a_request() {
    let request = Duration::from_millis(700);
    let portal = limited(Limits { request, ..Limits::default() }).await;
    let (answer, took) = left_hanging(&portal, HALF_A_FORM, Duration::from_secs(50)).await.unwrap();
    assert!(took >= request && answer.starts_with("HTTP/1.1 408"), "{took:?} {answer}");
    // The control: the time of the request is not the time of the head.
    assert_eq!(left_hanging(&portal, HALF_A_HEAD, request * 3).await, None);
    portal.stop().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_one_ends() {
    const ASK: &[u8] = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let portal = limited(Limits { connections: 3, ..Limits::default() }).await;
    let connect = async || TcpStream::connect(portal.addr).await.unwrap();
    let mut held = [connect().await, connect().await, connect().await];
    for stream in &mut held {
        stream.write_all(HALF_A_HEAD.as_bytes()).await.unwrap();
    }
    let mut waiting = connect().await;
    waiting.write_all(ASK).await.unwrap();
    let mut answer = String::new();
    let early = tokio::time::timeout(Duration::from_secs(1), waiting.read_to_string(&mut answer)).await;
    assert!(early.is_err(), "{answer}");
    let [first, _second, _third] = held;
    drop(first);
    tokio::time::timeout(Duration::from_secs(9), waiting.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    portal.stop().await;
}

#[tokio::test]
async fn the_portal_answers_to_its_own_names_only() {
    let portal = portal::serve(Config { hosts: vec!["portal.example".to_owned()], ..config(Database::Memory) });
    let portal = portal.await.unwrap();
    for (hosts, status) in [
        ("Host: portal.example\r\n", "200"),
        ("Host: PORTAL.example:8080\r\n", "200"),
        ("Host: evil.example\r\n", "421"),
        ("Host: portal.example.evil.example\r\n", "421"),
        ("Host: localhost\r\n", "421"),
        ("Host: portal.example\r\nHost: evil.example\r\n", "4"),
        ("", "4"),
    ] {
        let mut stream = TcpStream::connect(portal.addr).await.unwrap();
        let request = format!("GET /sign-in HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{hosts}: {answer}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn each_form_is_answered_by_a_redirect_and_its_page_is_one_browsers() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, admin(&portal).await).await;
    let browser = Visit::begin(&portal).await;
    let body = format!("{}&csrf={}", credentials("wrong"), browser.csrf);
    let csrf = format!("csrf={}", user.visit.csrf);
    for (path, cookie, body) in [
        ("/sign-in", &browser.cookie, body.clone()),
        ("/sign-up", &browser.cookie, format!("name=&email=x&password=x&csrf={}", browser.csrf)),
        ("/admin/security/preview", &user.visit.cookie, format!("{csrf}&enforce=yes&app=on&first=with_ticket")),
        ("/profile/password", &user.visit.cookie, format!("{csrf}&current=x&new=x")),
        ("/profile/recovery-codes/confirm", &user.visit.cookie, format!("{csrf}&code=x")),
        ("/profile/recovery-codes", &user.visit.cookie, csrf.clone()),
    ] {
        let answer = post_alone(&portal, path, cookie, &body).await;
        assert_eq!((answer.status, answer.body.as_str()), (303, ""), "{path}");
    }
    let to = post_alone(&portal, "/sign-in", &browser.cookie, &body).await.header("location").unwrap().to_owned();
    for _ in 0..2 {
        let page = get(&portal, &to, &browser.cookie).await;
        assert!(page.status == 422 && page.body.contains("not right"), "it can be loaded again: {}", page.body);
    }
    let others = get(&portal, &to, &Visit::begin(&portal).await.cookie).await;
    assert!(others.status == 200 && !others.body.contains("not right"), "another browser sees the page of the path");

    // A page with a secret is shown once. Loading it again sends nothing and shows nothing.
    let made = post_alone(&portal, "/profile/recovery-codes", &user.visit.cookie, &csrf).await;
    let to = made.header("location").unwrap();
    assert_eq!(get(&portal, to, &user.visit.cookie).await.body.matches("<code>").count(), 10);
    let again = get(&portal, to, &user.visit.cookie).await;
    assert!(again.status == 200 && !again.body.contains("<code>"), "{}", again.body);
    portal.stop().await;
}
