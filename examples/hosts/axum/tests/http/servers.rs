//! The servers that a host talks to in production: PostgreSQL, and a mail server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Lines;

/// A server of its own for one test, which listens on a socket in a temporary folder.
pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        run(program("initdb").args(["--no-sync", "--auth=trust", "--username=postgres", "--pgdata"]).arg(&data));
        let mut server = program("postgres");
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-k"]).arg(folder.path());
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("PostgreSQL starts");
        let postgres = Self { server, folder };
        let began = Instant::now();
        while !program("pg_isready")
            .arg("--quiet")
            .arg("--host")
            .arg(postgres.socket())
            .status()
            .expect("it runs")
            .success()
        {
            assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        postgres
    }

    fn socket(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.socket().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        run(program("pg_ctl").args(["stop", "--mode=immediate", "--pgdata"]).arg(self.socket().join("data")));
        self.server.wait().expect("PostgreSQL ends");
    }
}

/// A program of PostgreSQL, which does not run as root.
fn program(name: &str) -> Command {
    let path = folder_of_programs().join(name);
    let mut command = Command::new(if is_root() { Path::new("setpriv") } else { &path });
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(&path);
    }
    command.current_dir("/");
    command
}

/// Debian keeps them outside the PATH.
fn folder_of_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let in_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let found = folders.chain(in_path).find(|folder| folder.join("initdb").exists());
    found.expect("initdb, of Debian's package postgresql")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("the id of the user");
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A mail server that accepts each mail and passes its lines on. Returns its address.
pub(crate) fn mail_server(lines: Lines) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            receive(client.expect("a client"), &lines).expect("an SMTP session");
        }
    });
    url
}

/// RFC 5321 section 3: one session.
fn receive(mut client: TcpStream, mail: &Lines) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    client.write_all(b"220 test\r\n")?;
    while let Some(command) = lines.next().transpose()? {
        let reply: &[u8] = match command.get(..4) {
            Some("DATA") => {
                client.write_all(b"354 go ahead\r\n")?;
                for line in lines.by_ref().map_while(Result::ok).take_while(|line| line != ".") {
                    mail.lock().expect("the lines").push(line);
                }
                b"250 accepted\r\n"
            }
            Some("QUIT") => return client.write_all(b"221 bye\r\n"),
            _ => b"250 ok\r\n",
        };
        client.write_all(reply)?;
    }
    Ok(())
}
