//! The app on the user's smartphone: `oathtool`, which knows nothing of the library under test.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::read_qr;

const PERIOD: u64 = 30;

pub(crate) struct Authenticator {
    secret: String,
    /// The time step of the code that was given last: no server takes it a second time.
    given: Option<u64>,
    /// How many seconds the clock of the smartphone is ahead.
    ahead: Arc<AtomicU64>,
}

impl Authenticator {
    /// Scans the QR code on a picture.
    pub(crate) fn scan(png: &[u8]) -> Self {
        let uri = read_qr(png);
        assert!(uri.starts_with("otpauth://totp/Larkfield:"), "{uri}");
        let (_, query) = uri.split_once('?').unwrap();
        let parameters: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let of = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(of("issuer"), Some("Larkfield"));
        assert!(matches!(of("digits"), None | Some("6")) && matches!(of("period"), None | Some("30")));
        Self { secret: of("secret").unwrap().to_owned(), given: None, ahead: Arc::default() }
    }

    /// Types the secret key, as it is shown.
    pub(crate) fn typed(shown: &str) -> Self {
        Self { secret: shown.split_whitespace().collect(), given: None, ahead: Arc::default() }
    }

    /// The same smartphone, whose clock is as far ahead as another one.
    pub(crate) fn by(self, ahead: &Arc<AtomicU64>) -> Self {
        Self { ahead: Arc::clone(ahead), ..self }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// A code that was not given before: of this time step, or of the next one, which is taken already; if both
    /// are spent, it waits.
    pub(crate) async fn code(&mut self) -> String {
        loop {
            let now = self.seconds() / PERIOD;
            let step = self.given.map_or(now, |given| now.max(given + 1));
            if step <= now + 1 {
                self.given = Some(step);
                return self.at(step);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The code that was given last.
    pub(crate) fn last_code(&self) -> String {
        self.at(self.given.expect("no code was given"))
    }

    /// `count` codes that are wrong now, and stay so for a while.
    pub(crate) fn wrong_codes(&self, count: usize) -> Vec<String> {
        let now = self.seconds() / PERIOD;
        let right: Vec<String> = (now.saturating_sub(5)..now + 10).map(|step| self.at(step)).collect();
        (0..).map(|n: u32| format!("{n:06}")).filter(|code| !right.contains(code)).take(count).collect()
    }

    fn seconds(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() + self.ahead.load(Ordering::Relaxed)
    }

    fn at(&self, step: u64) -> String {
        let output = Command::new("oathtool")
            .args(["--totp", "--base32", "--now", &format!("@{}", step * PERIOD), &self.secret])
            .output()
            .expect("install oathtool: apt-get install -y oathtool");
        assert!(output.status.success(), "oathtool: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
