//! Key URIs of some forty other projects, read by both readers. Each departure from its source has its reason.

use std::collections::BTreeMap;

use factorgate::otp::Hotp;
use factorgate::otpauth::{InvalidKeyUri, Issuer, KeyParameters, KeyUri, ParsedKeyUri, Tolerated};

struct Row<'a> {
    expected: &'a str,
    /// What the strict and the lenient reader make of it, and why each departs from the source.
    outcomes: [&'a str; 2],
    reasons: [&'a str; 2],
    values: [&'a str; 8],
    uri: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    include_str!("data/otpauth.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [expected, strict, lenient, strict_reason, lenient_reason, values @ .., _, uri] = columns.as_slice()
            else {
                panic!("{line}");
            };
            Row {
                expected,
                outcomes: [strict, lenient],
                reasons: [strict_reason, lenient_reason],
                values: values.try_into().unwrap(),
                uri,
            }
        })
        .collect()
}

/// The values of a row as we read them; `-` where there is none.
fn values(read: &ParsedKeyUri) -> [String; 8] {
    let (kind, hotp, period, counter) = match read.parameters() {
        KeyParameters::Hotp { hotp, counter } => ("hotp", hotp, "-".to_owned(), counter.to_string()),
        KeyParameters::Totp(totp) => {
            ("totp", Hotp::new(totp.algorithm(), totp.digits()), totp.period_secs().to_string(), "-".to_owned())
        }
        other => panic!("{other:?}"),
    };
    [
        kind.to_owned(),
        read.issuer().map_or("\"\"", Issuer::as_str).to_owned(),
        read.account().as_str().to_owned(),
        read.secret().to_base32().expose_secret().to_owned(),
        hotp.algorithm().to_string(),
        hotp.digits().to_string(),
        period,
        counter,
    ]
}

/// Whether the source reads the same. Where it says nothing, or speaks of a counter of a time-based code, it does.
fn agrees(row: &Row<'_>, read: &ParsedKeyUri) -> bool {
    let drops_bits = read.tolerated().contains(&Tolerated::TrailingBits);
    values(read).iter().zip(row.values).enumerate().all(|(column, (ours, theirs))| match column {
        _ if theirs == "-" || ours == "-" => true,
        // What is left over in the last letter does not come back.
        3 if drops_bits => theirs.to_ascii_uppercase()[..ours.len() - 1] == ours[..ours.len() - 1],
        3 => theirs.to_ascii_uppercase() == *ours,
        _ => ours == theirs,
    })
}

fn name(refusal: InvalidKeyUri) -> String {
    let shown = format!("{refusal:?}");
    shown.split([' ', '{']).next().unwrap().to_owned()
}

#[test]
fn vectors_are_read_as_their_source_says() {
    let rows = rows();
    assert_eq!(rows.len(), 285);
    for row in &rows {
        for (reader, read) in [KeyUri::parse(row.uri), KeyUri::parse_lenient(row.uri)].into_iter().enumerate() {
            let uri = row.uri;
            let outcome = read.as_ref().map_or_else(|refusal| name(*refusal), |_| "ok".to_owned());
            assert_eq!(outcome, row.outcomes[reader], "{uri}");
            let departs = match (row.expected, &read) {
                ("ok", Ok(read)) => !agrees(row, read),
                ("ok", Err(_)) => true,
                ("error", read) => read.is_ok(),
                _ => false,
            };
            assert_eq!(departs, row.reasons[reader] != "-", "{uri}: {:?}", read.map(|read| values(&read)));
        }
    }
}

#[test]
fn each_exception_is_explained() {
    let mut used = BTreeMap::new();
    for reason in rows().iter().flat_map(|row| row.reasons).filter(|reason| *reason != "-") {
        *used.entry(reason).or_insert(0) += 1;
    }
    let (_, explained) = include_str!("data/otpauth.txt").split_once("# Why a reader departs:\n").unwrap();
    let explained: Vec<&str> = explained
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(used.keys().copied().collect::<Vec<_>>(), explained);
}

#[test]
fn imports_need_the_lenient_reader() {
    let read = |reader: fn(&str) -> Result<ParsedKeyUri, InvalidKeyUri>| {
        rows().iter().filter(|row| row.expected == "ok" && reader(row.uri).is_ok()).count()
    };
    let (strict, lenient) = (read(KeyUri::parse), read(KeyUri::parse_lenient));
    assert_eq!((strict, lenient), (43, 151));
}
