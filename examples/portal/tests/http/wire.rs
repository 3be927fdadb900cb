//! A client that sends what it is told to, and a portal for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use factorgate::EmailAddress;
use portal::{Config, Database, ForTests, Limits, Running, StartError};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) const PASSWORD: &str = "the administrator's own";

pub(crate) async fn start(database: Database) -> Result<Running, StartError> {
    start_with(database, None).await
}

pub(crate) async fn start_with(database: Database, smtp_url: Option<String>) -> Result<Running, StartError> {
    portal::serve(Config { smtp_url, ..config(database) }).await
}

/// A portal on a file that the test can look into.
pub(crate) struct OnDisk {
    portal: Running,
    folder: Folder,
    /// Where no mail server answers.
    taken: Option<TcpSocket>,
}

impl std::ops::Deref for OnDisk {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.portal
    }
}

impl OnDisk {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        let portal = start(Database::File(folder.0.join("portal.db"))).await.unwrap();
        Self { portal, folder, taken: None }
    }

    pub(crate) async fn open(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.0.join("portal.db"));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Lets every proof of every session be too old for a step-up.
    pub(crate) async fn age_proofs(&self) {
        let mut db = self.open().await;
        let sessions: Vec<(Vec<u8>, String)> =
            sqlx::query_as("SELECT digest, claims FROM sessions").fetch_all(&mut db).await.unwrap();
        for (digest, claims) in sessions {
            let update = sqlx::query("UPDATE sessions SET claims = ? WHERE digest = ?");
            update.bind(older(&claims, 400)).bind(digest).execute(&mut db).await.unwrap();
        }
        db.close().await.unwrap();
    }

    /// The same portal, where no mail server answers.
    pub(crate) async fn without_mail(self) -> Self {
        self.without_mail_and(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn without_mail_and(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { portal, folder, .. } = self;
        portal.stop().await;
        // The port is taken while the socket lives, and refuses every connection: nobody else can listen there.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut config = config(Database::File(folder.0.join("portal.db")));
        config.smtp_url = Some(format!("smtp://127.0.0.1:{port}"));
        change(&mut config);
        let portal = portal::serve(config).await.unwrap();
        Self { portal, folder, taken: Some(socket) }
    }

    /// Where the mail server is back.
    pub(crate) fn listen_for_mail(&mut self) -> TcpListener {
        self.taken.take().unwrap().listen(16).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.portal.stop().await;
    }
}

/// The claims of a session as if everything in them had been proved earlier.
fn older(claims: &str, seconds: u64) -> String {
    let earlier = |time: &str| (time.parse::<u64>().unwrap() - seconds).to_string();
    let field = |field: &str| match field.split_once('=') {
        Some(("at", time)) => format!("at={}", earlier(time)),
        Some((key @ ("app" | "browser" | "email" | "external" | "registered"), value)) => {
            let (what, time) = value.rsplit_once('@').unwrap();
            format!("{key}={what}@{}", earlier(time))
        }
        Some((key @ ("recovery" | "ticket"), time)) => format!("{key}={}", earlier(time)),
        _ => field.to_owned(),
    };
    claims.split(';').map(field).collect::<Vec<_>>().join(";")
}

pub(crate) fn config(database: Database) -> Config {
    Config {
        admin_email: EmailAddress::new("admin@larkfield.example").unwrap(),
        admin_password: Some(PASSWORD.to_owned()),
        database,
        for_tests: ForTests::default(),
        hosts: Config::loopback(),
        limits: Limits::default(),
        mail_from: "no-reply@larkfield.example".to_owned(),
        notices_every: Config::NOTICES_EVERY,
        port: 0,
        retired_keys: Vec::new(),
        server_key: None,
        smtp_url: None,
    }
}

pub(crate) fn credentials(password: &str) -> String {
    format!("email=admin%40larkfield.example&password={}", password.replace(' ', "+").replace('\'', "%27"))
}

/// A browser: its cookie, and the token of its forms.
pub(crate) struct Visit {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Visit {
    pub(crate) async fn begin(portal: &Running) -> Self {
        let answer = get(portal, "/sign-in", "").await;
        Self { cookie: answer.cookie().unwrap(), csrf: answer.csrf() }
    }

    pub(crate) async fn sign_in(&self, portal: &Running, password: &str) -> Self {
        let body = format!("{}&csrf={}", credentials(password), self.csrf);
        self.entered(portal, post(portal, "/sign-in", &self.cookie, &body).await).await
    }

    pub(crate) async fn entered(&self, portal: &Running, answer: Answer) -> Self {
        assert_eq!(answer.header("location"), Some("/dashboard"), "{}", answer.body);
        let cookie = answer.cookie().unwrap();
        let csrf = get(portal, "/dashboard", &cookie).await.csrf();
        Self { cookie, csrf }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn sets(&self, cookie: &str) -> bool {
        self.headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with(cookie))
    }

    /// The session's cookie.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie_of("__Host-session=")
    }

    pub(crate) fn cookie_of(&self, name: &str) -> Option<String> {
        let mut lines = self.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value);
        lines.find(|line| line.starts_with(name)).map(|line| line.split(';').next().unwrap().to_owned())
    }

    /// The cookies that a browser holds after this answer.
    pub(crate) fn cookies_after(&self, before: &str) -> String {
        let mut held: Vec<String> = before.split("; ").filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        for (_, line) in self.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = line.split(';').next().unwrap();
            let name = &pair[..=pair.find('=').unwrap()];
            held.retain(|other| !other.starts_with(name));
            if !line.contains("Max-Age=0") {
                held.push(pair.to_owned());
            }
        }
        held.join("; ")
    }

    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Posts what needs a fresh proof, and enters the code that is mailed for it. The session continues under a new id.
pub(crate) async fn proved(portal: &Running, visit: Visit, path: &str, fields: &str) -> (Visit, Answer) {
    const PROVE: &str = "/profile/prove/email";
    let asked = post(portal, path, &visit.cookie, &format!("csrf={}&{fields}", visit.csrf)).await;
    assert_eq!((asked.status, asked.header("location")), (303, Some(PROVE)), "{}", asked.body);
    let cookie = |name| asked.cookie_of(name).unwrap();
    let cookies = format!("{}; {}; {}", visit.cookie, cookie("__Host-step-up"), cookie("__Host-intent"));
    let code = mailed_code(portal).await;
    let done = post(portal, PROVE, &cookies, &format!("csrf={}&code={code}", visit.csrf)).await;
    let cookie = done.cookie().unwrap_or_else(|| panic!("{}", done.body));
    let csrf = get(portal, "/mailbox", &cookie).await.csrf();
    (Visit { cookie, csrf }, done)
}

pub(crate) async fn get(portal: &Running, path: &str, cookie: &str) -> Answer {
    request(portal, &format!("GET {path} HTTP/1.1\r\nCookie: {cookie}\r\n"), "").await
}

/// Posts, and fetches the page that answers the form, as a browser does.
pub(crate) async fn post(portal: &Running, path: &str, cookie: &str, body: &str) -> Answer {
    let answer = post_alone(portal, path, cookie, body).await;
    let Some(to) = answer.header("location").filter(|to| to.contains("?shown=")) else { return answer };
    let mut page = get(portal, to, &answer.cookies_after(cookie)).await;
    page.headers.extend(answer.headers.iter().filter(|(name, _)| name == "set-cookie").cloned());
    page
}

/// Posts, and goes nowhere.
pub(crate) async fn post_alone(portal: &Running, path: &str, cookie: &str, body: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    request(portal, &head, body).await
}

/// The same from an address of the loopback network: the portal counts the passwords that each address tries.
pub(crate) async fn post_from(from: Ipv4Addr, to: SocketAddr, path: &str, cookie: &str, body: &str) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    exchange(socket.connect(to).await.unwrap(), &head, body).await
}

/// The same of owned values, for many at once: the answer as it came.
pub(crate) async fn send(addr: SocketAddr, path: &'static str, cookie: String, body: String) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn request(portal: &Running, head: &str, body: &str) -> Answer {
    exchange(TcpStream::connect(portal.addr).await.unwrap(), head, body).await
}

async fn exchange(mut stream: TcpStream, head: &str, body: &str) -> Answer {
    stream.write_all(format!("{head}Host: localhost\r\nConnection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

/// The code in the newest mail with one.
pub(crate) async fn mailed_code(portal: &Running) -> String {
    let list = get(portal, "/mailbox", "").await.body;
    let (before, _) = list.split_once("<strong>Your Larkfield code</strong>").unwrap();
    let (_, id) = before.rsplit_once("href=\"/mailbox/").unwrap();
    let mail = get(portal, &format!("/mailbox/{}", id.split('"').next().unwrap()), "").await.body;
    let (_, text) = mail.split_once("Your Larkfield code is ").unwrap();
    text.chars().take_while(char::is_ascii_digit).collect()
}

pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portal-http-{}-{next}", std::process::id()));
        // A process that was killed leaves its folder behind, and its number is given again.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
