//! One user after another: swaps, records, versions.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use crate::store::{Record, Store, Version};

use super::{Checked, Kit, Refused, contract, record};

/// The longest record that a store must keep, in bytes.
const MAX_RECORD: usize = 16 * 1024;

/// Versions at which integer columns end, as powers of two; 24 is where a 32-bit float ends.
const BORDERS: [u32; 7] = [7, 8, 15, 16, 24, 31, 32];

impl<S: Store> Kit<'_, S> {
    pub(super) async fn swaps(&self) -> Checked<(), S> {
        let (alice, bob) = (self.user("alice")?, self.user("bob")?);
        if self.load(&alice).await?.is_some() {
            return contract(format!(
                "{:?} has a record before the first write; return `None` without a row, and give the kit a prefix that \
                 no stored user id has",
                alice.as_str()
            ));
        }
        let missing = Refused {
            what: "an update for a user without a record",
            fix: "update only a row that exists and has the expected version",
            expected: Some(Version::FIRST),
            stored: None,
        };
        self.refuse(&missing, &alice, &record(2, *b"none")).await?;

        let first = record(1, *b"first");
        self.apply("an insert", &alice, None, &first).await?;
        if self.load(&bob).await?.is_some() {
            return contract(format!(
                "a record that was stored for {:?} was loaded for {:?}; find records by the whole user id",
                alice.as_str(),
                bob.as_str()
            ));
        }
        self.refuse(&insert_over(&first), &alice, &record(1, *b"other")).await?;
        self.refuse(&insert_over(&first), &alice, &record(2, *b"other")).await?;

        let mut stored = first;
        for (version, bytes) in [(2, *b"two"), (3, *b"thr"), (4, *b"fou")] {
            let next = record(version, bytes);
            self.apply("an update", &alice, Some(&stored), &next).await?;
            stored = next;
        }
        for expected in [1, 2, 3] {
            self.refuse(&outdated(expected, &stored), &alice, &record(5, *b"other")).await?;
            self.refuse(&outdated(expected, &stored), &alice, &record(expected + 1, *b"other")).await?;
        }
        for expected in [5, 6, 100] {
            self.refuse(&later(expected, &stored), &alice, &record(5, *b"other")).await?;
            self.refuse(&later(expected, &stored), &alice, &record(expected + 1, *b"other")).await?;
        }
        let next = record(9, *b"nine");
        self.apply("an update that skips versions", &alice, Some(&stored), &next).await?;
        self.refuse(&insert_over(&next), &alice, &record(10, *b"other")).await
    }

    /// Each sample as the first record of a user, and all of them one after another for one user.
    pub(super) async fn records(&self) -> Checked<(), S> {
        let user = self.user("records")?;
        let mut stored: Option<Record> = None;
        for (number, (what, bytes)) in samples().into_iter().enumerate() {
            self.apply(&what, &self.user(&format!("record-{number}"))?, None, &record(1, bytes.clone())).await?;
            let next = record(number as i64 + 1, bytes);
            self.apply(&what, &user, stored.as_ref(), &next).await?;
            stored = Some(next);
        }
        Ok(())
    }

    pub(super) async fn versions(&self) -> Checked<(), S> {
        for bits in BORDERS {
            let user = self.user(&format!("version-{bits}"))?;
            let border = 1_i64 << bits;
            let mut stored: Option<Record> = None;
            for version in border - 1..=border + 2 {
                let next = record(version, version.to_be_bytes());
                self.apply("a large version", &user, stored.as_ref(), &next).await?;
                stored = Some(next);
            }
            let Some(stored) = stored else { continue };
            // A column of this width takes these for the stored version.
            for expected in [2, border, border + 1, border + 3] {
                let what = format!(
                    "an update that expected version {expected} when version {} was stored",
                    i64::from(stored.version())
                );
                let refused = Refused {
                    what: &what,
                    fix: "store and compare the version as a 64-bit integer",
                    expected: Some(Version::from(expected)),
                    stored: Some(&stored),
                };
                self.refuse(&refused, &user, &record(border + 3, *b"other")).await?;
            }
        }
        Ok(())
    }
}

fn insert_over(stored: &Record) -> Refused<'_> {
    Refused {
        what: "an insert for a user who has a record",
        fix: "insert only where there is no row, for example with ON CONFLICT DO NOTHING",
        expected: None,
        stored: Some(stored),
    }
}

fn outdated(expected: i64, stored: &Record) -> Refused<'_> {
    Refused {
        what: "an update that expected an older version",
        fix: "compare the stored version with the expected one for equality, in the statement that writes",
        expected: Some(Version::from(expected)),
        stored: Some(stored),
    }
}

fn later(expected: i64, stored: &Record) -> Refused<'_> {
    Refused { what: "an update that expected a later version", ..outdated(expected, stored) }
}

/// Records that columns and conversions change, each with its name.
fn samples() -> Vec<(alloc::string::String, Vec<u8>)> {
    let every: Vec<u8> = (0..=255).collect();
    let named: [(&str, Vec<u8>); 13] = [
        ("a record of no bytes", vec![]),
        ("a record of one zero byte", vec![0]),
        ("a record with a zero byte inside", b"a\0b".to_vec()),
        ("a record with leading zero bytes", b"\0\0a".to_vec()),
        ("a record with trailing zero bytes", b"a\0\0".to_vec()),
        ("a record with spaces around", b" a ".to_vec()),
        ("a record with line ends", b"a\nb\r\nc\rd\n".to_vec()),
        ("a record with quotes and backslashes", br#"'a"\x41\'--"#.to_vec()),
        ("a record that looks like a number", b"0042".to_vec()),
        ("a record that is not UTF-8", vec![0x80, 0xC3, 0x28, 0xFF, 0xFE, 0xED, 0xA0, 0x80]),
        ("a record of UTF-8", "É e\u{301} 😀".as_bytes().to_vec()),
        ("a record with every byte", every.clone()),
        ("a record of the byte 255", vec![255; 300]),
    ];
    let lengths =
        [127, 128, 255, 256, 257, 1000, 1024, 2000, 4000, 4095, 4096, 4097, 8000, 8192, MAX_RECORD - 1, MAX_RECORD];
    let long = lengths.map(|length| {
        // Nothing repeats within a block of 4096 bytes, and no byte at an end is zero.
        let bytes = (0..length).map(|at| (at / 251 + at % 251 + 1) as u8 | u8::from(at + 1 == length)).collect();
        (format!("a record of {length} bytes"), bytes)
    });
    named.into_iter().map(|(what, bytes)| (what.into(), bytes)).chain(long).collect()
}
