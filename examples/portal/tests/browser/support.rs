//! A portal, a browser, an authenticator app.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::driver::Driver;
pub(crate) use crate::world::World;

pub(crate) const ADMIN: &str = "admin@larkfield.example";
pub(crate) const ADMIN_PASSWORD: &str = "the administrator's own";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// How long a page may take, however slow the machine is. A page that comes at once is not waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const NEEDED: &str = "the browser tests need Chromium, ChromeDriver and oathtool: \
                      apt-get install -y chromium chromium-driver oathtool";

/// What an administrator decides.
pub(crate) struct Company {
    pub(crate) enforce: bool,
    pub(crate) app: bool,
    pub(crate) email: bool,
    /// Both channels are asked for, not any of them.
    pub(crate) both: bool,
    pub(crate) first: &'static str,
}

/// A browser and its driver. Both end when this is dropped, also by a panic.
pub(crate) struct Browser {
    pub(crate) client: Client,
    name: &'static str,
    url: String,
    _driver: Driver,
}

impl Browser {
    pub(crate) async fn start(name: &'static str, url: String) -> Self {
        let driver = Driver::start(name);
        let options = json!({"goog:chromeOptions": {"args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1100,900",
            format!("--user-data-dir={}", driver.profile.display()),
        ]}});
        let capabilities: Capabilities = serde_json::from_value(options).unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect(NEEDED);
        Self { client, name, url, _driver: driver }
    }

    pub(crate) async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.url)).await.unwrap();
    }

    /// The path of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// Waits until the page at `path` is shown.
    pub(crate) async fn arrives_at(&self, path: &str) {
        let begun = Instant::now();
        while self.path().await != path {
            assert!(begun.elapsed() < PATIENCE, "at {}, not {path}: {}", self.path().await, self.page_text().await);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.unwrap().is_empty()
    }

    /// The text of an element, waited for.
    pub(crate) async fn text(&self, css: &str) -> String {
        match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap(),
            Err(error) => panic!("{css} on {}: {error}: {}", self.path().await, self.page_text().await),
        }
    }

    /// Waits until an element says this.
    pub(crate) async fn says(&self, css: &str, words: &str) {
        let begun = Instant::now();
        while !self.text(css).await.contains(words) {
            assert!(begun.elapsed() < PATIENCE, "{css} does not say {words}: {}", self.page_text().await);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub(crate) async fn page_text(&self) -> String {
        self.client.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(field) => field,
            Err(error) => panic!("{css} on {}: {error}: {}", self.path().await, self.page_text().await),
        };
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks, and waits for the page that follows.
    pub(crate) async fn click(&self, css: &str) {
        let page = self.client.find(Locator::Css("html")).await.unwrap();
        let Ok(element) = self.client.find(Locator::Css(css)).await else {
            panic!("no {css} on {}: {}", self.path().await, self.page_text().await)
        };
        element.click().await.unwrap();
        gone(&page).await;
    }

    pub(crate) async fn sign_up(&self, name: &str, email: &str) {
        self.open("/sign-up").await;
        self.fill("#name", name).await;
        self.fill("#email", email).await;
        self.fill("#password", PASSWORD).await;
        self.click("button.primary").await;
        self.arrives_at("/sign-in").await;
    }

    /// A user with a smartphone, registered at the first sign-in on the password alone. The user is signed in.
    pub(crate) async fn with_a_smartphone(&self, name: &str, email: &str) -> Authenticator {
        self.sign_up(name, email).await;
        self.sign_in(email, PASSWORD).await;
        self.arrives_at("/sign-in/register").await;
        let mut app = Authenticator::typed(&self.text("#secret").await);
        self.enter_code(&app.code().await).await;
        self.arrives_at("/sign-in/all-set").await;
        self.click("#continue").await;
        self.arrives_at("/dashboard").await;
        app
    }

    /// Makes recovery codes, and confirms them by the first.
    pub(crate) async fn make_recovery_codes(&self) -> Vec<String> {
        self.open("/profile/recovery-codes").await;
        self.click("#make").await;
        let codes = self.client.find_all(Locator::Css(".codes code")).await.unwrap();
        let mut texts = Vec::new();
        for code in codes {
            texts.push(code.text().await.unwrap());
        }
        assert_eq!(texts.len(), 10, "{}", self.page_text().await);
        self.whole_picture("recovery-codes").await;
        self.enter_code(&texts[0].to_lowercase()).await;
        self.arrives_at("/profile").await;
        assert_eq!(self.text("#codes-left").await, "10 left");
        texts
    }

    /// The password, and whatever page follows.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) {
        self.open("/sign-in").await;
        self.fill("#email", email).await;
        self.fill("#password", password).await;
        self.click("button.primary").await;
    }

    pub(crate) async fn sign_out(&self) {
        self.click(".sign-out button").await;
        self.arrives_at("/sign-in").await;
    }

    /// What the administrator decides for the company. Nothing may be enforced yet.
    pub(crate) async fn company(&self, company: Company) {
        self.sign_in(ADMIN, ADMIN_PASSWORD).await;
        self.arrives_at("/dashboard").await;
        self.preview(company).await;
        assert!(self.text("#preview-result").await.contains("Nothing is saved yet"));
        self.save().await;
        self.sign_out().await;
    }

    /// Shows what users will be asked; nothing is saved.
    pub(crate) async fn preview(&self, company: Company) {
        self.fill_in(company).await;
        self.show_preview().await;
    }

    /// Fills the form of the company's settings.
    pub(crate) async fn fill_in(&self, company: Company) {
        self.open("/admin/security").await;
        self.fill_in_here(company).await;
    }

    /// Fills the form of the settings that are open.
    pub(crate) async fn fill_in_here(&self, company: Company) {
        self.pick("enforce", if company.enforce { "yes" } else { "no" }).await;
        for (css, wanted) in [("input[name=app]", company.app), ("input[name=email]", company.email)] {
            let channel = self.client.find(Locator::Css(css)).await.unwrap();
            if channel.is_selected().await.unwrap() != wanted {
                channel.click().await.unwrap();
            }
        }
        self.pick("combine", if company.both { "all" } else { "any" }).await;
        self.pick("first", company.first).await;
    }

    /// Shows what the settings in the form come to.
    pub(crate) async fn show_preview(&self) {
        self.click("#preview").await;
        self.as_tall_as_the_page().await;
        self.picture("settings").await;
        if let Ok(preview) = self.client.find(Locator::Css("#preview-result")).await {
            self.keep("preview", &preview.screenshot().await.unwrap());
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// Enters the code that is mailed to an administrator without a factor, before a change is made.
    pub(crate) async fn confirm_by_mail(&self) {
        if self.path().await == "/profile/prove/email" {
            let code = self.mailed_code(ADMIN).await;
            self.enter_code(&code).await;
        }
    }

    /// The password, and a code by mail, which may be due only after the pause between two.
    pub(crate) async fn sign_in_by_mail(&self, email: &str, password: &str) {
        self.sign_in(email, password).await;
        self.arrives_at("/sign-in/email").await;
        self.enter_mailed_code(email).await;
        self.arrives_at("/dashboard").await;
    }

    /// Enters a code by mail, which may be due only after the pause between two.
    pub(crate) async fn enter_mailed_code(&self, email: &str) {
        let begun = Instant::now();
        while !self.page_text().await.contains("We sent a code") {
            assert!(begun.elapsed() < Duration::from_secs(45), "{}", self.page_text().await);
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.click("#resend").await;
        }
        let code = self.mailed_code(email).await;
        self.enter_code(&code).await;
    }

    /// Saves what was shown.
    pub(crate) async fn save(&self) {
        self.click("#save").await;
        self.confirm_by_mail().await;
        assert!(self.text("#notice").await.contains("saved"));
    }

    /// Ticks a box, if it is not ticked.
    pub(crate) async fn tick(&self, css: &str) {
        if !self.is_ticked(css).await {
            self.click_in_place(css).await;
        }
    }

    /// Clicks what leads to no other page.
    pub(crate) async fn click_in_place(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn is_ticked(&self, css: &str) -> bool {
        self.client.find(Locator::Css(css)).await.unwrap().is_selected().await.unwrap()
    }

    /// What the browser holds under this name.
    pub(crate) async fn cookie(&self, name: &str) -> String {
        self.client.get_named_cookie(name).await.unwrap().value().to_owned()
    }

    async fn pick(&self, name: &str, value: &str) {
        self.click_in_place(&format!("input[name={name}][value={value}]")).await;
    }

    /// The newest mail, read in a second tab as a person would.
    pub(crate) async fn newest_mail(&self, to: &str) -> String {
        let here = self.client.window().await.unwrap();
        let tab = self.client.new_window(true).await.unwrap();
        self.client.switch_to_window(tab.handle).await.unwrap();
        self.open("/mailbox").await;
        self.click(".mails li:first-child a").await;
        assert!(self.text(".mail .hint").await.contains(to), "the newest mail is for somebody else");
        let text = self.text("#mail-text").await;
        let html = self.client.find(Locator::Css("iframe")).await.unwrap();
        assert_eq!(html.attr("sandbox").await.unwrap().as_deref(), Some(""));
        self.picture("mail").await;
        self.client.close_window().await.unwrap();
        self.client.switch_to_window(here).await.unwrap();
        text
    }

    /// The code in the newest mail.
    pub(crate) async fn mailed_code(&self, to: &str) -> String {
        let text = self.newest_mail(to).await;
        let is_code = |word: &&str| word.len() >= 6 && word.chars().all(|c| c.is_ascii_digit());
        let found = text.split(|c: char| !c.is_ascii_digit()).find(is_code);
        found.unwrap_or_else(|| panic!("no code in: {text}")).to_owned()
    }

    /// How many mails were sent.
    pub(crate) async fn mails(&self) -> usize {
        let here = self.client.window().await.unwrap();
        let tab = self.client.new_window(true).await.unwrap();
        self.client.switch_to_window(tab.handle).await.unwrap();
        self.open("/mailbox").await;
        let count = self.client.find_all(Locator::Css(".mails li")).await.unwrap().len();
        self.client.close_window().await.unwrap();
        self.client.switch_to_window(here).await.unwrap();
        count
    }

    pub(crate) async fn enter_code(&self, code: &str) {
        self.fill("#code", code).await;
        self.click("#submit").await;
    }

    /// A picture of the window, kept as `artifacts/NAME-WHAT.png`.
    pub(crate) async fn picture(&self, what: &str) -> Vec<u8> {
        let png = self.client.screenshot().await.unwrap();
        self.keep(what, &png);
        png
    }

    fn keep(&self, what: &str, png: &[u8]) {
        let folder = artifacts();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{}-{what}.png", self.name)), png).unwrap();
    }

    /// A picture of the whole page, however long it is.
    pub(crate) async fn whole_picture(&self, what: &str) {
        self.as_tall_as_the_page().await;
        self.picture(what).await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    async fn as_tall_as_the_page(&self) {
        let script = "return [Math.min(innerWidth, 1000), document.documentElement.scrollHeight]";
        let size = self.client.execute(script, Vec::new()).await.unwrap();
        let size = json!({"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.client.issue_cmd(DevTools(command.to_owned(), parameters)).await.unwrap()
    }

    /// A window like that of a phone.
    pub(crate) async fn as_phone(&self) {
        let phone = json!({"width": 360, "height": 800, "deviceScaleFactor": 2, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", phone).await;
    }

    /// A window as wide as before, in light.
    pub(crate) async fn as_ever(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.devtools("Emulation.setEmulatedMedia", json!({"features": []})).await;
    }

    pub(crate) async fn in_dark(&self) {
        let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        self.devtools("Emulation.setEmulatedMedia", dark).await;
    }

    /// Nothing on the page is cut off or makes it scroll sideways.
    pub(crate) async fn fits_its_width(&self) {
        let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let widths = self.client.execute(script, Vec::new()).await.unwrap();
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{} is too wide: {widths}", self.path().await);
    }
}

async fn gone(page: &fantoccini::elements::Element) {
    let begun = Instant::now();
    loop {
        match page.tag_name().await {
            Err(error) if error.is_stale_element_reference() || error.is_no_such_element() => return,
            Err(CmdError::Standard(_)) => return,
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(begun.elapsed() < PATIENCE, "the page did not change"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[derive(Debug)]
struct DevTools(String, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

pub(crate) fn artifacts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts")
}

/// What a QR code on a picture says.
pub(crate) fn read_qr(png: &[u8]) -> String {
    let picture = image::load_from_memory(png).unwrap().to_luma8();
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let grids = prepared.detect_grids();
    let grid = grids.first().expect("no QR code is on the screen");
    grid.decode().expect("the QR code cannot be read").1
}
