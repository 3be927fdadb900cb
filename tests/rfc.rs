//! The test values of RFC 4226 and RFC 6238, as their appendices list them, and values on which two other
//! implementations agree.

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Digits, Hotp, Secret, TimeStep, Totp, Window};

const SHA1_SECRET: &[u8] = b"12345678901234567890";
const SHA256_SECRET: &[u8] = b"12345678901234567890123456789012";
const SHA512_SECRET: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

fn secret(bytes: &[u8]) -> Secret {
    Secret::from_bytes(bytes).unwrap()
}

fn text(code: &Code) -> String {
    code.expose_secret().expose_secret().to_owned()
}

/// H01, H21: RFC 4226 appendix D.
#[test]
fn rfc_4226_vectors() {
    let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for (counter, expected) in (0..).zip(codes) {
        assert_eq!(text(&Hotp::default().generate(&secret(SHA1_SECRET), counter)), expected);
        let typed = Code::parse(expected).unwrap();
        assert_eq!(Hotp::default().verify(&secret(SHA1_SECRET), &typed, counter, 0), Some(counter));
    }
}

/// T17: RFC 6238 appendix B.
#[test]
fn rfc_6238_vectors() {
    // Time, step, and the codes by SHA-1, SHA-256 and SHA-512.
    let table = [
        (59, 0x1, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, 0x235_23ec, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, 0x235_23ed, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, 0x273_ef07, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, 0x3f9_40aa, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, 0x27bc_86aa, ["65353130", "77737706", "47863826"]),
    ];
    let columns =
        [(Algorithm::Sha1, SHA1_SECRET), (Algorithm::Sha256, SHA256_SECRET), (Algorithm::Sha512, SHA512_SECRET)];
    for (time, step, codes) in table {
        for ((algorithm, key), expected) in columns.into_iter().zip(codes) {
            let totp = Totp::builder().algorithm(algorithm).digits(Digits::EIGHT).build().unwrap();
            let at = Timestamp::from_secs(time);
            assert_eq!(totp.step_at(at), Some(TimeStep::new(step)));
            assert_eq!(text(&totp.generate(&secret(key), at).unwrap()), expected, "{algorithm} at {time}");
            let typed = Code::parse(expected).unwrap();
            let window = Window::new(0, 0).unwrap();
            assert_eq!(totp.verify(&secret(key), &typed, at, window, None), Some(TimeStep::new(step)));
        }
    }
}

/// T17.
#[test]
fn key_of_another_hash_function_gives_other_codes() {
    let totp = Totp::builder().algorithm(Algorithm::Sha256).digits(Digits::EIGHT).build().unwrap();
    let code = totp.generate(&secret(SHA1_SECRET), Timestamp::from_secs(59)).unwrap();
    assert_eq!(text(&code), "32247374");
}

/// T03.
#[test]
fn time_based_code_is_the_counter_based_code_of_its_step() {
    for step in [0, 1, 37_037_036, u64::from(u32::MAX) + 1] {
        let totp = Totp::default().generate(&secret(SHA1_SECRET), Timestamp::from_secs(step * 30)).unwrap();
        assert_eq!(text(&totp), text(&Hotp::default().generate(&secret(SHA1_SECRET), step)));
    }
}

/// H06, N03, C2, T10.
#[test]
fn vectors_of_other_implementations() {
    let mut count = 0;
    for line in include_str!("data/otp.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| fields[i].parse::<u64>().unwrap();
        let algorithm = match fields[1] {
            "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => panic!("{other}"),
        };
        let digits = Digits::new(fields[2].parse().unwrap()).unwrap();
        let (hex, expected) = (fields[fields.len() - 1], fields[fields.len() - 2]);
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let secret = if bytes.len() < Secret::MIN_LEN { Secret::from_legacy_bytes } else { Secret::from_bytes };
        let (secret, typed) = (secret(&bytes).unwrap(), Code::parse_exact(expected, digits).unwrap());
        let shown = match fields[0] {
            "hotp" => {
                let (hotp, counter) = (Hotp::new(algorithm, digits), number(3));
                assert_eq!(hotp.verify(&secret, &typed, counter, 0), Some(counter), "{line}");
                hotp.generate(&secret, counter)
            }
            _ => {
                let t0 = Timestamp::from_secs(number(4));
                let builder = Totp::builder().algorithm(algorithm).digits(digits);
                let totp = builder.period_secs(number(3)).t0(t0).build().unwrap();
                let at = Timestamp::from_secs(number(5));
                let window = Window::new(0, 0).unwrap();
                assert_eq!(totp.step_at(at), Some(TimeStep::new(number(6))), "{line}");
                assert_eq!(totp.verify(&secret, &typed, at, window, None), totp.step_at(at), "{line}");
                totp.generate(&secret, at).unwrap()
            }
        };
        assert_eq!(text(&shown), expected, "{line}");
        count += 1;
    }
    assert_eq!(count, 1835);
}
