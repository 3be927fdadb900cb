//! S7: access stays hard even when the password is compromised.

use crate::authenticator::Authenticator;
use crate::support::{ADMIN, ADMIN_PASSWORD, Company, PASSWORD, World};

const ADA: &str = "ada@larkfield.example";
const LOCKED: &str = "Too many attempts.";
const PROTECTED: [&str; 5] = ["/dashboard", "/profile", "/profile/devices/register", "/admin/security", "/admin/users"];

/// Ada has a smartphone, and is signed out. A thief knows the password.
async fn with_a_smartphone(name: &'static str) -> (World, Authenticator) {
    let world = World::start(name).await;
    let browser = &world.browser;
    browser.company(Company { enforce: true, app: true, email: true, both: false, first: "after_password" }).await;
    browser.sign_up("Ada Reyes", ADA).await;
    browser.sign_in(ADA, PASSWORD).await;
    browser.click("#way-register").await;
    browser.arrives_at("/sign-in/register").await;
    let mut app = Authenticator::typed(&browser.text("#secret").await);
    browser.enter_code(&app.code().await).await;
    browser.arrives_at("/sign-in/all-set").await;
    browser.click("#continue").await;
    browser.sign_out().await;
    (world, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_password_alone_never_enters() {
    let (world, _) = with_a_smartphone("s7").await;
    let browser = &world.browser;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    for path in PROTECTED {
        browser.open(path).await;
        browser.arrives_at("/sign-in").await;
    }
    // Neither a way around the device, nor a second registration.
    for path in ["/sign-in/register", "/sign-in/all-set", "/sign-in/email"] {
        browser.open(path).await;
        assert!(!browser.has("#qr").await, "{path}");
        assert!(!browser.has("#continue").await, "{path}");
        assert_ne!(browser.path().await, path, "the page is not there for whoever has the password alone");
    }
    // The cookies of an unfinished login, taken elsewhere, open nothing.
    let cookies = browser.client.get_all_cookies().await.unwrap();
    assert!(cookies.iter().any(|cookie| cookie.name() == "__Host-login"));
    let sent = cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect::<Vec<_>>();
    for path in PROTECTED {
        let answer = plain_get(&world.url, path, &sent.join("; ")).await;
        assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /sign-in\r\n"), "{path}: {answer}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_wrong_codes_lock_and_then_the_right_one_is_refused_too() {
    let (world, mut app) = with_a_smartphone("s7-lock").await;
    let browser = &world.browser;
    browser.sign_in(ADA, PASSWORD).await;
    browser.arrives_at("/sign-in/app").await;
    let mut guesses = 0;
    for wrong in app.wrong_codes(20) {
        browser.enter_code(&wrong).await;
        guesses += 1;
        if browser.text("#code-error").await.contains(LOCKED) {
            break;
        }
        assert_ne!(browser.path().await, "/dashboard");
    }
    assert!(guesses <= 10, "locked after {guesses} guesses");
    browser.picture("locked").await;

    // A new login, and the right code: refused all the same, and nobody is in.
    browser.sign_in(ADA, PASSWORD).await;
    browser.says("#code-error", LOCKED).await;
    browser.enter_code(&app.code().await).await;
    browser.says("#code-error", LOCKED).await;
    browser.open("/dashboard").await;
    browser.arrives_at("/sign-in").await;

    // Ada's guesses are Ada's: others are not locked.
    browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    browser.arrives_at("/sign-in/choose").await;
    world.end().await;
}

/// A request of another program, with the cookies that were taken.
async fn plain_get(url: &str, path: &str, cookies: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
