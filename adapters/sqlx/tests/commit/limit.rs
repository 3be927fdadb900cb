//! A disk that is full: a limit on the size of files, in a process of its own.

use std::path::Path;
use std::process::Command;

use factorgate::UserId;
use factorgate::store::{Record, Store as _, Swap, Version};
use factorgate_sqlx::SqliteStore;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::host::{Host, LIMIT};

/// Set in the process that has the limit.
const LIMITED: &str = "FACTORGATE_LIMITED_FILE_SIZE";

/// The bytes of one page in the write-ahead log.
const FRAME: u64 = 4096 + 24;

/// Runs the test `name` alone in a process that ignores the signal of a file that is too large: a write then fails.
fn in_limited_process(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(LIMITED).is_some() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
        return;
    }
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(LIMITED, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&format!("sqlite:{}", folder.join("mfa.db").display())).await.unwrap()
}

/// Leaves room for `bytes` more in the write-ahead log.
fn leave_room(folder: &Path, bytes: u64) {
    let log = std::fs::metadata(folder.join("mfa.db-wal")).unwrap().len();
    limit_files(Some(log + bytes));
}

#[test]
fn swap_on_a_full_disk_is_an_error() {
    in_limited_process("limit::swap_on_a_full_disk_is_an_error", async {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let user = UserId::new("alice").unwrap();
        let mut kept = Record::new(Version::FIRST, vec![0; 100]);
        assert_eq!(store.compare_and_swap(&user, None, &kept).await.unwrap(), Swap::Applied);
        leave_room(folder.path(), 20 * FRAME);
        let mut failed = 0;
        for number in 2..60_u8 {
            let version = Version::from(i64::from(kept.version()) + 1);
            let next = Record::new(version, vec![number; 100 * usize::from(number)]);
            match store.compare_and_swap(&user, Some(kept.version()), &next).await {
                Ok(swap) => {
                    assert_eq!(swap, Swap::Applied);
                    kept = next;
                }
                Err(_) => failed += 1,
            }
            assert_eq!(store.load(&user).await.unwrap().as_ref(), Some(&kept));
        }
        assert!(failed > 0 && kept.version() > Version::from(2), "{failed} writes failed; {kept:?}");
        limit_files(None);
        store.pool().close().await;
        let store = open(folder.path()).await;
        assert_eq!(store.load(&user).await.unwrap(), Some(kept), "after a new start");
    });
}

#[test]
fn wrong_codes_on_a_full_disk_never_exceed_the_budget() {
    in_limited_process("limit::wrong_codes_on_a_full_disk_never_exceed_the_budget", async {
        let mut judged = Vec::new();
        for room in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let host = Host::new(open(folder.path()).await);
            let (secret, flow) = (host.register().await, host.login().await);
            leave_room(folder.path(), room * FRAME);
            let guesses = host.guess(&flow, &secret, 50).await;
            limit_files(None);
            let later = host.guess(&flow, &secret, 50).await;
            assert_eq!(later.failed, 0);
            let all = guesses.judged + later.judged;
            assert!(all <= LIMIT, "{all} codes were judged with room for {room} pages");
            assert!(guesses.judged >= LIMIT || guesses.failed >= 50 - LIMIT, "{guesses:?}");
            judged.push(guesses.judged);
        }
        assert_eq!((judged.first(), judged.last()), (Some(&0), Some(&LIMIT)), "{judged:?}");
    });
}

#[test]
fn right_code_on_a_full_disk_is_accepted_once_at_most() {
    in_limited_process("limit::right_code_on_a_full_disk_is_accepted_once_at_most", async {
        let (mut before, mut after) = (0, 0);
        for room in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let host = Host::new(open(folder.path()).await);
            let secret = host.register().await;
            let flows = [host.login().await, host.login().await, host.login().await];
            leave_room(folder.path(), room * FRAME);
            let (full, failed) = host.submit_right_code(&flows.each_ref(), &secret).await;
            assert!(full > 0 || failed == 3);
            limit_files(None);
            let (free, _) = host.submit_right_code(&flows.each_ref(), &secret).await;
            assert!(full + free <= 1, "one code was accepted {} times", full + free);
            before += full;
            after += free;
        }
        assert!(before > 0 && after > 0, "{before} {after}");
    });
}
