//! ChromeDriver, and the browser that it starts. Both end with the test.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::NEEDED;

pub(crate) struct Driver {
    process: Child,
    pub(crate) port: u16,
    pub(crate) profile: PathBuf,
}

impl Driver {
    pub(crate) fn start(name: &str) -> Self {
        // The driver takes a free port by itself, and says which: a port that was chosen for it could be taken meanwhile.
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect(NEEDED);
        let mut driver = Self { process, port: 0, profile: PathBuf::new() };
        let mut said = BufReader::new(driver.process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said
            .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        driver.port = port.expect("chromedriver does not say its port");
        driver.profile = std::env::temp_dir().join(format!("portal-{name}-{}-{}", std::process::id(), driver.port));
        // What else it says is read, or the pipe would fill.
        std::thread::spawn(move || said.for_each(drop));
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Best effort, in a destructor. Chromium stays behind when its driver alone is killed: both are in one group.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
