//! The broken stores, and what the kit says of each.

use factorgate::UserId;

use crate::broken::{Columns, Flaw, is_like};

/// A broken store.
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    pub(crate) columns: fn() -> Columns,
    says: &'static str,
}

impl Wrong {
    /// The refusal.
    pub(crate) fn says(&self) -> String {
        self.says.replace("{MAX_LEN}", &UserId::MAX_LEN.to_string())
    }
}

/// A store with these fields of [`Columns`], and the refusal.
macro_rules! stores {
    ($($name:literal: { $($field:ident: $value:expr),+ } => $says:expr;)+) => {
        pub(crate) const STORES: &[Wrong] = &[$(Wrong {
            name: $name,
            columns: || Columns { $($field: $value,)+ ..Columns::default() },
            says: $says,
        }),+];
    };
}

macro_rules! share {
    ($what:literal) => {
        concat!(
            "user ids that differ only in ",
            $what,
            " share a record; compare ids by bytes, for example with a binary collation"
        )
    };
}

macro_rules! pattern {
    ($what:literal) => {
        concat!(
            "user ids that differ only in ",
            $what,
            " share a record; bind the id as a parameter and compare it with `=`, not as a pattern"
        )
    };
}

macro_rules! version {
    ($wanted:literal, $got:literal) => {
        concat!(
            "a large version: version ",
            $wanted,
            " came back as version ",
            $got,
            "; store the version of `next` in a 64-bit integer column"
        )
    };
}

macro_rules! bytes {
    ($what:literal, $how:literal) => {
        concat!("a record ", $what, ": ", $how, "; store the bytes unchanged, in a binary column that holds 16 KiB")
    };
}

const NOT_LOADED: &str = "an insert: the store answered `Applied`, but `load` does not return the record; answer \
                          `Applied` only after the commit, and load from the same database, without a cache or a replica";

stores! {
    // User ids.
    "trailing spaces ignored": { id: |id| id.trim_end_matches(' ').into() } => share!("a trailing space");
    "one trailing space cut": { id: |id| id.strip_suffix(' ').unwrap_or(id).into() } => share!("a trailing space");
    "trailing white space ignored": { id: |id| id.trim_end_matches('\u{A0}').into() }
        => share!("a trailing no-break space");
    "leading spaces ignored": { id: |id| id.trim_start_matches(' ').into() } => share!("a leading space");
    "repeated spaces ignored": { id: |id| id.replace("  ", " ") } => share!("the number of trailing spaces");
    "ASCII case ignored": { id: |id| id.to_ascii_lowercase() } => share!("the case of an ASCII letter");
    "case outside of ASCII ignored": { id: |id| by_char(id, |c| !c.is_ascii(), |c| c.to_lowercase().collect()) }
        => share!("the case of a letter outside of ASCII");
    "accents ignored": { id: |id| replaced(id, &[("é", "e"), ("è", "e"), ("e\u{301}", "e")]) } => share!("accents");
    "ids stored in NFC": { id: |id| replaced(id, &[("e\u{301}", "é"), ("\u{1100}\u{1161}", "\u{AC00}")]) }
        => share!("the Unicode form (NFC and NFD)");
    "ids stored in NFD": { id: |id| replaced(id, &[("é", "e\u{301}"), ("\u{AC00}", "\u{1100}\u{1161}")]) }
        => share!("the Unicode form (NFC and NFD)");
    "Hangul stored in NFC": { id: |id| id.replace("\u{1100}\u{1161}", "\u{AC00}") }
        => share!("the Unicode form (NFC and NFD)");
    "ids stored in NFKC": { id: |id| id.replace('\u{FB01}', "fi") } => share!("a ligature (NFKC)");
    "sharp s folded": { id: |id| id.replace('ß', "ss") } => share!("a sharp s");
    "Latin-1": { id: |id| by_char(id, |c| u32::from(c) > 255 && u32::from(c) < 0x10000, |_| "?".into()) }
        => share!("a character that Latin-1 does not have");
    "three bytes a character": { id: |id| by_char(id, |c| u32::from(c) > 0xFFFF, |_| "?".into()) }
        => share!("a character outside of the basic plane");
    "invisible characters ignored": { id: |id| id.replace('\u{200B}', "") } => share!("an invisible character");
    "ids cut at 63 bytes": { id: |id| cut(id, 63) }
        => "user ids that differ only in the last of 64 bytes share a record; keep ids of up to {MAX_LEN} bytes, and never cut \
            one";
    "ids cut at 64 bytes": { id: |id| cut(id, 64) }
        => "user ids that differ only in the last of 65 bytes share a record; keep ids of up to {MAX_LEN} bytes, and never cut \
            one";
    "ids cut before the last byte": { id: |id| cut(id, UserId::MAX_LEN - 1) }
        => "user ids that differ only in the last of {MAX_LEN} bytes share a record; keep ids of up to {MAX_LEN} bytes, and never cut \
            one";
    "the last 60 bytes of ids": { id: |id| String::from_utf8_lossy(&id.as_bytes()[id.len().saturating_sub(60)..]).into() }
        => "user ids that differ only in the first of 64 bytes share a record; keep ids of up to {MAX_LEN} bytes, and never cut \
            one";
    "LIKE, percent": { finds: |asked, stored| is_like(asked, stored, '%', '\0', '\0') }
        => pattern!("`%` in place of letters");
    "LIKE, underscore": { finds: |asked, stored| is_like(asked, stored, '\0', '_', '\0') }
        => pattern!("`_` in place of a letter");
    "LIKE, backslash": { finds: |asked, stored| is_like(asked, stored, '\0', '\0', '\\') }
        => pattern!("a backslash");
    "ids with a backslash not found": { finds: |asked, stored| asked == stored && !asked.contains('\\') }
        => "a user id does not find its own record (the kit tests ids that differ in a backslash); bind the id as a \
            parameter and compare it with `=`, not as a pattern";
    "LIKE with the stored id as pattern": { finds: |asked, stored| is_like(stored, asked, '%', '_', '\0') }
        => pattern!("`%` in place of letters");
    "LIKE with every wildcard": { finds: |asked, stored| is_like(asked, stored, '%', '_', '\\') }
        => pattern!("`%` in place of letters");
    "GLOB": { finds: |asked, stored| is_like(asked, stored, '*', '?', '\0') } => pattern!("`*` in place of letters");
    "backslashes removed": { id: |id| id.replace('\\', "") } => pattern!("a backslash");
    "one record for all users": { id: |_| "all".into() }
        => "a record that was stored for \"conformance-alice\" was loaded for \"conformance-bob\"; find records by the \
            whole user id";

    // Versions.
    "8 bits, wrapping": { version: |v| v as u8 as i64, is_expected: |e, s| e as u8 as i64 == s }
        => version!("256", "0");
    "8 bits, saturating": { version: |v| v.min(255), is_expected: |e, s| e.min(255) == s } => version!("256", "255");
    "8 bits, signed, wrapping": { version: |v| v as i8 as i64, is_expected: |e, s| e as i8 as i64 == s }
        => version!("128", "-128");
    "8 bits, signed, saturating": { version: |v| v.min(127), is_expected: |e, s| e.min(127) == s }
        => version!("128", "127");
    "16 bits, wrapping": { version: |v| v as u16 as i64, is_expected: |e, s| e as u16 as i64 == s }
        => version!("65536", "0");
    "16 bits, saturating": { version: |v| v.min(65535), is_expected: |e, s| e.min(65535) == s }
        => version!("65536", "65535");
    "16 bits, signed, wrapping": { version: |v| v as i16 as i64, is_expected: |e, s| e as i16 as i64 == s }
        => version!("32768", "-32768");
    "16 bits, signed, saturating": { version: |v| v.min(32767), is_expected: |e, s| e.min(32767) == s }
        => version!("32768", "32767");
    "32 bits, wrapping": { version: |v| v as u32 as i64, is_expected: |e, s| e as u32 as i64 == s }
        => version!("4294967296", "0");
    "32 bits, saturating": { version: |v| v.min(u32::MAX.into()), is_expected: |e, s| e.min(u32::MAX.into()) == s }
        => version!("4294967296", "4294967295");
    "32 bits, signed, wrapping": { version: |v| v as i32 as i64, is_expected: |e, s| e as i32 as i64 == s }
        => version!("2147483648", "-2147483648");
    "32 bits, signed, saturating": { version: |v| v.min(2147483647), is_expected: |e, s| e.min(2147483647) == s }
        => version!("2147483648", "2147483647");
    "a float of 32 bits": { version: |v| v as f32 as i64, is_expected: |e, s| e as f32 as i64 == s }
        => version!("16777217", "16777216");
    "8 bits compared": { is_expected: |e, s| e as u8 == s as u8 }
        => "an update that expected version 2 when version 258 was stored: the store applied the write; store and \
            compare the version as a 64-bit integer";
    "16 bits compared": { is_expected: |e, s| e as u16 == s as u16 }
        => "an update that expected version 2 when version 65538 was stored: the store applied the write; store and \
            compare the version as a 64-bit integer";
    "32 bits compared": { is_expected: |e, s| e as u32 == s as u32 }
        => "an update that expected version 2 when version 4294967298 was stored: the store applied the write; store \
            and compare the version as a 64-bit integer";
    "version loaded off by one": { loaded_version: |v| v + 1 }
        => "an insert: version 1 came back as version 2; store the version of `next` in a 64-bit integer column";
    "version not stored": { version: |_| 1, is_expected: |_, _| true }
        => "an update: version 2 came back as version 1; store the version of `next` in a 64-bit integer column";

    // Records.
    "records cut at 255 bytes": { bytes: |bytes| bytes[..bytes.len().min(255)].to_vec() }
        => bytes!("with every byte", "255 bytes came back instead of 256");
    "records cut at 4 KiB": { bytes: |bytes| bytes[..bytes.len().min(4096)].to_vec() }
        => bytes!("of 4097 bytes", "4096 bytes came back instead of 4097");
    "records cut before the last byte": { bytes: |bytes| bytes[..bytes.len().min(16383)].to_vec() }
        => bytes!("of 16384 bytes", "16383 bytes came back instead of 16384");
    "records end at a zero byte": { bytes: |bytes| bytes.split(|byte| *byte == 0).next().unwrap().to_vec() }
        => bytes!("of one zero byte", "0 bytes came back instead of 1");
    "trailing zero bytes stripped": { bytes: |bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        bytes[..end].to_vec()
    } } => bytes!("of one zero byte", "0 bytes came back instead of 1");
    "leading zero bytes stripped": { bytes: |bytes| match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => bytes.to_vec(),
    } } => bytes!("with leading zero bytes", "byte 1 came back changed");
    "records padded to 16 bytes": { bytes: |bytes| {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().max(16), 0);
        padded
    } } => "an insert: 16 bytes came back instead of 5; store the bytes unchanged, in a binary column that holds 16 KiB";
    "records as UTF-8": { bytes: |bytes| String::from_utf8_lossy(bytes).into_owned().into() }
        => bytes!("that is not UTF-8", "byte 0 came back changed");
    "records of 7 bits": { bytes: |bytes| bytes.iter().map(|byte| byte & 127).collect() }
        => bytes!("that is not UTF-8", "byte 0 came back changed");
    "line ends changed": { bytes: |bytes| bytes.iter().copied().filter(|byte| *byte != b'\r').collect() }
        => bytes!("with line ends", "byte 3 came back changed");
    "spaces trimmed": { bytes: |bytes| bytes.trim_ascii_end().to_vec() }
        => bytes!("with spaces around", "2 bytes came back instead of 3");
    "empty record is none": { flaw: Some(Flaw::EmptyIsNone) }
        => "a record of no bytes: the empty record came back as no record; tell an empty value from a missing row";

    // Statements.
    "`Applied` without storing": { flaw: Some(Flaw::AppliesNothing) } => NOT_LOADED;
    "`expected` ignored": { flaw: Some(Flaw::IgnoresExpected) }
        => "an update for a user without a record: the store applied the write; update only a row that exists and has \
            the expected version";
    "insert replaces": { flaw: Some(Flaw::InsertReplaces) }
        => "an insert for a user who has a record: the store applied the write; insert only where there is no row, for \
            example with ON CONFLICT DO NOTHING";
    "update inserts": { flaw: Some(Flaw::UpdateInserts) }
        => "an update for a user without a record: the store applied the write; update only a row that exists and has \
            the expected version";
    "older version accepted": { is_expected: |expected, stored| expected <= stored }
        => "an update that expected an older version: the store applied the write; compare the stored version with the \
            expected one for equality, in the statement that writes";
    "later version accepted": { is_expected: |expected, stored| expected >= stored }
        => "an update that expected a later version: the store applied the write; compare the stored version with the \
            expected one for equality, in the statement that writes";
    "any version accepted": { is_expected: |_, _| true }
        => "an update that expected an older version: the store applied the write; compare the stored version with the \
            expected one for equality, in the statement that writes";
    "`Conflict` although applied": { flaw: Some(Flaw::ConflictAfterApplied) }
        => "an insert: the store answered `Conflict` although it stored the record; answer `Applied` if the statement \
            changed a row";
    "`Applied` although nothing matched": { flaw: Some(Flaw::AppliedWithoutMatch) }
        => "an update for a user without a record: the store answered `Applied` although it stored nothing; answer \
            `Conflict` if the statement changed no row";
    "`Conflict`, but written": { flaw: Some(Flaw::WritesOnConflict) }
        => "an update for a user without a record: the store answered `Conflict` although it stored the record; write \
            nothing on a conflict";
    "inserts never applied": { flaw: Some(Flaw::NeverInserts) }
        => "an insert: the store answered `Conflict` although the stored version is the expected one; apply such a write";
    "row lost by an update": { flaw: Some(Flaw::ForgetsOnUpdate) }
        => "an update: the record of the user is gone; replace it in one statement";
    "loads one write late": { flaw: Some(Flaw::LoadsOneWriteLate) } => NOT_LOADED;
    "loads cached": { flaw: Some(Flaw::CachesLoads) } => NOT_LOADED;
    "loads late now and then": { flaw: Some(Flaw::LoadsNowAndThenOneWriteLate) }
        => "an insert for a user who has a record: the store answered `Conflict`, and `load` then returned another \
            record than before; write nothing on a conflict, and load without a cache or a replica";
}

/// `id` without the bytes after `length`, or without the character that they would split.
fn cut(id: &str, length: usize) -> String {
    let end = (0..=length.min(id.len())).rev().find(|end| id.is_char_boundary(*end));
    id[..end.unwrap()].into()
}

fn replaced(id: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(id.to_owned(), |id, (from, to)| id.replace(from, to))
}

fn by_char(id: &str, changes: fn(char) -> bool, changed: fn(char) -> String) -> String {
    id.chars().map(|c| if changes(c) { changed(c) } else { c.into() }).collect()
}
