//! After a code was verified and the secret dropped, the process holds nothing of the key.
//!
//! One process does the work and stops; another reads its memory. From within it would not do: the frames of a
//! scanner overwrite the dead frames that it should look into. The worker gets the key masked, so that it has no
//! copy but the one that is under test.
//!
//! Looked for is every run of eight bytes of: the key; the key as HMAC pads it, also with the bytes of its words
//! swapped, as a hash function loads them; the states of the hash function after the padded key, which are as
//! good as the key, in either order of their words.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use factorgate::admin::Administrator;
use factorgate::browser::BrowserName;
use factorgate::env::{OsRandom, RandomUnavailable, SecureRandom};
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Algorithm, Code, Digits, Hotp, Secret, Totp, Window};
use factorgate::otpauth::{AccountName, Issuer, KeyUri, Migration};
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{Action, Contact, Mfa, Outcome, PrimaryVerified, Timestamp, UserId, UserRow};
use hmac::Hmac;
use zeroize::Zeroizing;

/// Gives no block back, for what was freed unwiped must not be overwritten by whoever is given the block next. Those of
/// the scan itself are too large to be kept.
struct Keeping;

// SAFETY: what is handed on goes to the system's allocator as it came, and a block may be kept for ever.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() > 64 * 1024 {
            unsafe { System.dealloc(block, layout) }
        }
    }
}

#[global_allocator]
static KEEPING: Keeping = Keeping;

const MASK: u8 = 0xa5;
const WORK: &str = "FACTORGATE_TEST_WORK";
const MASKED_KEY: &str = "FACTORGATE_TEST_MASKED_KEY";

/// What the worker does. The first four are controls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// Never has the key.
    Nothing,
    /// Keeps the key.
    Keep,
    /// Keeps a recovery code of another system.
    KeepLegacyCode,
    /// Computes an HMAC as anybody would, and drops all of it.
    BareHmac,
    Generate,
    HotpVerify,
    Resync,
    TotpVerify,
    Diagnose,
    /// Writes a Key URI and reads it back.
    KeyUri,
    /// Reads an export in which the key is.
    Migration,
    /// The key is the server's, for a whole login.
    ServerKey,
    /// The key is made for a device, registered, sealed, opened and used.
    Device,
    /// A recovery code of another system is imported, in plain and hashed, and typed.
    LegacyCode,
}

const ALL: [Work; 14] = [
    Work::Nothing,
    Work::Keep,
    Work::KeepLegacyCode,
    Work::BareHmac,
    Work::Generate,
    Work::HotpVerify,
    Work::Resync,
    Work::TotpVerify,
    Work::Diagnose,
    Work::KeyUri,
    Work::Migration,
    Work::ServerKey,
    Work::Device,
    Work::LegacyCode,
];
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

#[test]
fn control_scan_finds_a_key_that_is_there() {
    for algorithm in ALGORITHMS {
        assert_eq!(hits(Work::Nothing, algorithm, 20), 0, "{algorithm}");
        assert!(hits(Work::Keep, algorithm, 20) > 0, "{algorithm}");
    }
}

/// If this fails, HMAC has begun to clean up after itself, and wiping the stack is no longer needed.
#[test]
fn control_hmac_alone_leaves_the_key_behind() {
    for algorithm in ALGORITHMS {
        assert!(hits(Work::BareHmac, algorithm, 20) > 0, "{algorithm}");
    }
}

#[test]
fn nothing_of_the_key_is_left_on_the_stack() {
    for algorithm in ALGORITHMS {
        // The usual length, a full block of SHA-1 and SHA-256, and one that every hash function hashes first.
        for len in [20, 64, 200] {
            for work in [Work::Generate, Work::HotpVerify, Work::Resync, Work::TotpVerify, Work::Diagnose] {
                assert_eq!(hits(work, algorithm, len), 0, "{work:?}, {algorithm}, {len} bytes");
            }
        }
    }
}

#[test]
fn nothing_of_the_key_or_its_text_is_left_of_a_key_uri() {
    for len in [16, 20, 32, 64] {
        assert_eq!(hits(Work::KeyUri, Algorithm::Sha1, len), 0, "{len} bytes");
        assert_eq!(hits(Work::Migration, Algorithm::Sha1, len), 0, "{len} bytes");
    }
}

#[test]
fn nothing_of_the_server_key_is_left_after_a_login() {
    assert_eq!(hits(Work::ServerKey, Algorithm::Sha256, 32), 0);
}

#[test]
fn nothing_of_used_devices_recovery_codes_and_trusted_browsers_is_left() {
    assert_eq!(hits(Work::Device, Algorithm::Sha1, 20), 0);
}

#[test]
fn control_scan_finds_the_text_of_an_imported_recovery_code() {
    assert!(hits(Work::KeepLegacyCode, Algorithm::Sha256, 20) > 0);
}

#[test]
fn nothing_of_a_typed_imported_recovery_code_is_left() {
    assert_eq!(hits(Work::LegacyCode, Algorithm::Sha256, 20), 0);
}

/// How many places in the memory of a worker hold eight bytes of the key in one of its forms.
fn hits(work: Work, algorithm: Algorithm, len: usize) -> usize {
    let mut key = vec![0; len];
    OsRandom.fill(&mut key).unwrap();
    let masked: String = key.iter().map(|byte| format!("{:02x}", byte ^ MASK)).collect();
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, format!("{work:?} {algorithm}"))
        .env(MASKED_KEY, masked)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(worker.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "done\n");
    let found = scan(worker.id(), &forms(algorithm, &key));
    drop(worker.stdin.take());
    worker.wait().unwrap();
    found
}

fn scan(pid: u32, needles: &HashSet<[u8; 8]>) -> usize {
    let mut begins = vec![false; 1 << 16];
    needles.iter().for_each(|needle| begins[usize::from(u16::from_le_bytes([needle[0], needle[1]]))] = true);
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let (mut found, mut regions) = (0, 0);
    for line in std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
        let (range, rights) = line.split_once(' ').unwrap();
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = vec![0; (to - from) as usize];
        memory.read_exact_at(&mut bytes, from).unwrap();
        regions += 1;
        for window in bytes.windows(8) {
            let begin = usize::from(u16::from_le_bytes([window[0], window[1]]));
            found += usize::from(begins[begin] && needles.contains(window));
        }
    }
    assert!(regions > 3);
    found
}

/// All that must not be found, in pieces of eight bytes.
fn forms(algorithm: Algorithm, key: &[u8]) -> HashSet<[u8; 8]> {
    let (block_len, word) = if algorithm == Algorithm::Sha512 { (128, 8) } else { (64, 4) };
    let mut block = if key.len() > block_len { digest(algorithm, key) } else { key.to_vec() };
    let mut forms = vec![key.to_vec()];
    let text = Secret::from_bytes(key).unwrap().to_base32();
    forms.extend([&text, &text.grouped()].map(|text| text.expose_secret().as_bytes().to_vec()));
    forms.extend(recovery_texts(&key[..RECOVERY_CODE]));
    let hex: Vec<u8> = key[..SERIES].iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    // As a part of a message it begins anywhere in a word of it.
    forms.extend((0..4).map(|from| swapped(&hex[from..], 4)));
    forms.push(hex);
    let len = block.len() / word * word;
    block.resize(block_len, 0);
    for pad in [0, 0x36, 0x5c] {
        let padded: Vec<u8> = block.iter().map(|byte| byte ^ pad).collect();
        forms.push(padded[..len].to_vec());
        forms.push(swapped(&padded[..len], word));
        if pad != 0 {
            let state = state(algorithm, &padded);
            forms.push(state.iter().flatten().copied().collect());
            forms.push(state.iter().rev().flatten().copied().collect());
        }
    }
    let forms: HashSet<[u8; 8]> =
        forms.iter().flat_map(|form| form.windows(8).map(|window| window.try_into().unwrap())).collect();
    assert!(forms.len() > 60);
    forms
}

/// A recovery code as it is shown and as it can be typed.
fn recovery_texts(code: &[u8]) -> [Vec<u8>; 2] {
    let bits = code.iter().fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    let symbol = |place: u32| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(bits >> (75 - 5 * place)) as usize % 32];
    let symbols: Vec<u8> = (0..16).map(symbol).collect();
    [symbols.chunks(4).collect::<Vec<_>>().join(&b'-'), symbols]
}

fn swapped(bytes: &[u8], word: usize) -> Vec<u8> {
    bytes.chunks(word).flat_map(|word| word.iter().rev().copied()).collect()
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    match algorithm {
        Algorithm::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
        Algorithm::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
        _ => sha2::Sha512::digest(bytes).to_vec(),
    }
}

/// The words of the hash function's state after one block, as they lie in memory.
fn state(algorithm: Algorithm, block: &[u8]) -> Vec<Vec<u8>> {
    let words = |words: &[u32]| words.iter().map(|word| word.to_ne_bytes().to_vec()).collect();
    match algorithm {
        Algorithm::Sha1 => {
            let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
            sha1::block_api::compress(&mut state, &[block.try_into().unwrap()]);
            words(&state)
        }
        Algorithm::Sha256 => {
            let mut state = [
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ];
            sha2::block_api::compress256(&mut state, &[block.try_into().unwrap()]);
            words(&state)
        }
        _ => {
            let mut state = [
                0x6a09_e667_f3bc_c908,
                0xbb67_ae85_84ca_a73b,
                0x3c6e_f372_fe94_f82b,
                0xa54f_f53a_5f1d_36f1,
                0x510e_527f_ade6_82d1,
                0x9b05_688c_2b3e_6c1f,
                0x1f83_d9ab_fb41_bd6b,
                0x5be0_cd19_137e_2179,
            ];
            sha2::block_api::compress512(&mut state, &[block.try_into().unwrap()]);
            state.iter().map(|word: &u64| word.to_ne_bytes().to_vec()).collect()
        }
    }
}

#[test]
#[ignore = "the process whose memory is read, started by the other tests"]
fn worker() {
    let work = std::env::var(WORK).unwrap();
    let (work, algorithm) = work.split_once(' ').unwrap();
    let work = ALL.into_iter().find(|known| format!("{known:?}") == work).unwrap();
    let algorithm = ALGORITHMS.into_iter().find(|known| known.to_string() == algorithm).unwrap();
    let masked = std::env::var(MASKED_KEY).unwrap();
    let masked: Vec<u8> =
        (0..masked.len()).step_by(2).map(|i| u8::from_str_radix(&masked[i..i + 2], 16).unwrap()).collect();
    far_below(|| do_work(work, algorithm, &masked));
    std::io::stderr().write_all(b"done\n").unwrap();
    // Until the other process has read all and closes the pipe.
    let _ = std::io::stdin().read(&mut [0]);
}

/// Runs `work` so deep in the stack that what this process does afterwards does not reach its dead frames.
#[inline(never)]
fn far_below(work: impl FnOnce()) {
    let room = black_box([0_u8; 128 * 1024]);
    work();
    black_box(&room);
}

struct Unmask<'a>(&'a [u8]);

impl SecureRandom for Unmask<'_> {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        out.iter_mut().zip(self.0).for_each(|(byte, masked)| *byte = *masked ^ black_box(MASK));
        Ok(())
    }
}

#[inline(never)]
fn do_work(work: Work, algorithm: Algorithm, masked: &[u8]) {
    match work {
        Work::Nothing => return,
        Work::KeepLegacyCode => return std::mem::forget(black_box(legacy_code(masked))),
        Work::LegacyCode => return move_in(masked),
        Work::ServerKey => return log_in(ServerKey::generate(&Unmask(masked)).unwrap(), OsRandom),
        Work::Device => return log_in(ServerKey::generate(&OsRandom).unwrap(), DeviceKey(masked.to_vec())),
        _ => {}
    }
    let secret = Secret::generate_with_len(masked.len(), &Unmask(masked)).unwrap();
    let code = Code::parse("123456").unwrap();
    let hotp = Hotp::new(algorithm, Digits::SIX);
    let totp = Totp::builder().algorithm(algorithm).build().unwrap();
    let at = Timestamp::from_secs(1_900_000_000);
    match work {
        Work::Nothing | Work::KeepLegacyCode | Work::LegacyCode | Work::ServerKey | Work::Device => {}
        Work::Keep => std::mem::forget(black_box(secret)),
        Work::BareHmac => match algorithm {
            Algorithm::Sha1 => bare_hmac::<Hmac<sha1::Sha1>>(&secret),
            Algorithm::Sha256 => bare_hmac::<Hmac<sha2::Sha256>>(&secret),
            _ => bare_hmac::<Hmac<sha2::Sha512>>(&secret),
        },
        Work::Generate => drop(black_box(hotp.generate(&secret, 7))),
        Work::HotpVerify => assert!(hotp.verify(&secret, black_box(&code), 7, 0).is_none_or(|at| at == 7)),
        Work::Resync => assert_eq!(hotp.resync(&secret, black_box(&code), &code, 7, 2).filter(|&at| at > 10), None),
        Work::TotpVerify => drop(black_box(totp.verify(&secret, black_box(&code), at, Window::default(), None))),
        Work::Diagnose => drop(black_box(totp.diagnose(&secret, black_box(&code), at))),
        Work::KeyUri => {
            let (issuer, account) = (Issuer::new("ACME Co").unwrap(), AccountName::new("alice").unwrap());
            let uri = KeyUri::totp(&issuer, &account, &secret, &totp).unwrap();
            black_box(uri.expose_secret().len());
            drop(black_box(uri.secret_base32().grouped()));
            drop(black_box(KeyUri::parse(uri.expose_secret())));
            drop(black_box(KeyUri::parse_lenient(uri.expose_secret())));
        }
        Work::Migration => {
            let mut message = Zeroizing::new(Vec::with_capacity(256));
            message.extend([0x0a, secret.expose_secret().len() as u8 + 7, 0x0a, secret.expose_secret().len() as u8]);
            message.extend(secret.expose_secret());
            message.extend(b"\x12\x01a\x30\x02");
            let mut uri = Zeroizing::new(String::with_capacity(256));
            uri.push_str("otpauth-migration://offline?data=");
            STANDARD.encode_string(message.as_slice(), &mut uri);
            drop(message);
            let migration = Migration::parse(&uri).unwrap();
            assert_eq!(migration.entries()[0].secret().expose_secret(), secret.expose_secret());
        }
    }
}

/// How many bytes a recovery code has.
const RECOVERY_CODE: usize = 10;

/// How many bytes name a trusted browser; a ticket has as many. In hexadecimal they are the code of another system.
const SERIES: usize = 16;

/// Gives the masked key where the secret of a device is drawn, and its beginning where a recovery code is or what names
/// a trusted browser: nothing else of these lengths is looked for.
struct DeviceKey(Vec<u8>);

impl SecureRandom for DeviceKey {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        match out.len() {
            len if len == self.0.len() || len == RECOVERY_CODE || len == SERIES => Unmask(&self.0).fill(out),
            _ => OsRandom.fill(out),
        }
    }
}

/// Registers a device at a login and logs in with it, with a recovery code, and from a trusted browser; everything is
/// dropped then but the sealed record.
#[inline(never)]
fn log_in(key: ServerKey, random: impl SecureRandom + 'static) {
    let (store, clock) = (MemoryStore::new(), FixedClock::at(1_900_000_000));
    let issuer = Issuer::new("ACME Co").unwrap();
    let builder = Mfa::builder(store.clone(), Outbox::new(), ServerKeys::new(key), issuer);
    let mfa = builder.clock(clock.clone()).random(random).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap().with_trusted_browsers();
        let row = || {
            let contact = Contact::without_email(AccountName::new("alice").unwrap());
            UserRow::new(UserId::new("alice").unwrap(), "password 1", contact)
        };
        let primary = || PrimaryVerified::assertion(row());
        let show = |secret: &Secret| {
            let code = Totp::default().generate(secret, clock.time()).unwrap();
            Action::AppCode { code: code.expose_secret().expose_secret().into(), device: None }
        };
        let login = mfa.begin_login(primary(), &policy).await.unwrap();
        let Outcome::Enroll(enroll) = login else { panic!("{login:?}") };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let code = Totp::default().generate(&secret, clock.time()).unwrap();
        let confirm = Action::ConfirmApp { code: code.expose_secret().expose_secret().into(), name: None };
        let login = mfa.submit(enroll.challenge().flow(), &policy, confirm).await.unwrap();
        assert!(matches!(login, Outcome::Done(_)));
        clock.advance(std::time::Duration::from_secs(30));
        let login = mfa.begin_login(primary(), &policy).await.unwrap();
        let Outcome::Challenge(asked) = login else { panic!("{login:?}") };
        let login = mfa.submit(asked.flow(), &policy, show(&secret)).await.unwrap();
        let Outcome::Done(passed) = login else { panic!("{login:?}") };
        let claims = passed.into_session(&row()).unwrap();
        let session = mfa.check_session(&claims, &row(), &policy).await.unwrap().into_session().unwrap();
        let name = BrowserName::new("Firefox").unwrap();
        let token = mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap();
        let cookie = Zeroizing::new(token.to_cookie());
        let login = mfa.begin_login(primary().from_browser(Some(&cookie)), &policy).await.unwrap();
        assert!(matches!(login, Outcome::Done(_)));
        clock.advance(std::time::Duration::from_secs(30));
        let begun = mfa.profile(&session).begin_step_up(std::time::Duration::ZERO).await.unwrap();
        let done = mfa.submit(begun.flow().unwrap(), &session, show(&secret)).await.unwrap();
        let Outcome::Done(elevated) = done else { panic!("{done:?}") };
        let new = mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
        let typed = || new.codes.iter().next().unwrap().expose_secret();
        mfa.profile(&session).confirm_recovery_codes(&typed().expose_secret().into()).await.unwrap().unwrap();
        let login = mfa.begin_login(primary(), &policy).await.unwrap();
        let Outcome::Challenge(asked) = login else { panic!("{login:?}") };
        let recover = Action::RecoveryCode { code: typed().expose_secret().into() };
        let login = mfa.submit(asked.flow(), &policy, recover).await.unwrap();
        assert!(matches!(login, Outcome::Done(_)));
    });
    drop(mfa);
    std::mem::forget(store);
}

#[inline(never)]
fn legacy_code(masked: &[u8]) -> LegacyRecoveryCode {
    let mut text = Zeroizing::new(String::with_capacity(2 * SERIES));
    for byte in masked[..SERIES].iter().map(|masked| masked ^ black_box(MASK)) {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap()));
    }
    LegacyRecoveryCode::parse(&text).unwrap()
}

/// Imports a code in plain, hashed, and not at all, and logs in with it; everything is dropped then but the sealed
/// records.
#[inline(never)]
fn move_in(masked: &[u8]) {
    let (store, clock) = (MemoryStore::new(), FixedClock::at(1_900_000_000));
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let sum = |text: &str| text.bytes().map(u64::from).sum::<u64>().to_string();
    let builder = Mfa::builder(store.clone(), Outbox::new(), keys, Issuer::new("ACME Co").unwrap());
    let mfa = builder.clock(clock).recovery_hash_checker(move |typed, hash| sum(typed) == hash).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap();
    let root = Administrator::assertion(UserId::new("root").unwrap());
    let device = || Import::new(ImportedDevice::new(Secret::generate(&OsRandom).unwrap(), Totp::default()));
    let hash = sum(legacy_code(masked).expose_secret());
    runtime.block_on(async {
        for (user, import, is_right) in [
            ("plain", device().with_recovery_code(legacy_code(masked)), true),
            ("hashed", device().with_hashed_recovery_code(&hash), true),
            ("other", device().with_hashed_recovery_code("0"), false),
        ] {
            let user = UserId::new(user).unwrap();
            mfa.admin(&root).import(&user, &import.unwrap()).await.unwrap().unwrap();
            let row = UserRow::new(user, "password 1", Contact::without_email(AccountName::new("alice").unwrap()));
            let login = mfa.begin_login(PrimaryVerified::assertion(row), &policy).await.unwrap();
            let Outcome::Challenge(asked) = login else { panic!("{login:?}") };
            let recover = Action::RecoveryCode { code: legacy_code(masked).expose_secret().into() };
            let login = mfa.submit(asked.flow(), &policy, recover).await.unwrap();
            assert_eq!(matches!(login, Outcome::Done(_)), is_right, "{login:?}");
        }
    });
    drop(mfa);
    std::mem::forget(store);
}

#[inline(never)]
fn bare_hmac<M: hmac::Mac + hmac::KeyInit>(secret: &Secret) {
    let mac = M::new_from_slice(secret.expose_secret()).unwrap();
    black_box(mac.chain_update(7_u64.to_be_bytes()).finalize().into_bytes());
}
