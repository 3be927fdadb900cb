//! User ids that a store must tell apart.

use alloc::format;
use alloc::string::String;

use crate::store::{Record, Store, Swap};
use crate::user::UserId;

use super::{Checked, Kit, contract, record};

const BYTES: &str = "compare ids by bytes, for example with a binary collation";
const PATTERN: &str = "bind the id as a parameter and compare it with `=`, not as a pattern";

/// Two ends of ids, in what they differ, and how to tell them apart.
const PAIRS: &[(&str, &str, &str, &str)] = &[
    ("bob", "bob ", "a trailing space", BYTES),
    ("bob ", "bob  ", "the number of trailing spaces", BYTES),
    ("a b", "a  b", "the number of spaces inside", BYTES),
    ("bob", "bob\u{A0}", "a trailing no-break space", BYTES),
    ("字", "語", "a character that Latin-1 does not have", BYTES),
    ("😀", "😁", "a character outside of the basic plane", BYTES),
    ("bob", "Bob", "the case of an ASCII letter", BYTES),
    ("école", "École", "the case of a letter outside of ASCII", BYTES),
    ("жук", "Жук", "the case of a letter outside of ASCII", BYTES),
    ("σ", "ς", "the form of a Greek sigma", BYTES),
    ("i", "ı", "the dot of an i", BYTES),
    ("ß", "ss", "a sharp s", BYTES),
    ("k", "\u{212A}", "a Kelvin sign", BYTES),
    ("resume", "résumé", "accents", BYTES),
    ("o", "ø", "a stroke", BYTES),
    ("\u{E9}", "e\u{301}", "the Unicode form (NFC and NFD)", BYTES),
    ("\u{AC00}", "\u{1100}\u{1161}", "the Unicode form (NFC and NFD)", BYTES),
    ("fi", "\u{FB01}", "a ligature (NFKC)", BYTES),
    ("A", "\u{FF21}", "the width of a letter", BYTES),
    ("か", "カ", "the kind of kana", BYTES),
    ("ab", "a\u{200B}b", "an invisible character", BYTES),
    ("ab", "a-b", "a hyphen", BYTES),
    ("ab", "a'b", "a single quote", BYTES),
    ("ab", "a\"b", "a double quote", BYTES),
    ("a7", "a07", "a leading zero", BYTES),
    ("axyb", "a%b", "`%` in place of letters", PATTERN),
    ("axb", "a_b", "`_` in place of a letter", PATTERN),
    ("ab", "a\\b", "a backslash", PATTERN),
    ("a_b", "a\\_b", "a backslash", PATTERN),
    ("axyb", "a*b", "`*` in place of letters", PATTERN),
    ("axb", "a?b", "`?` in place of a letter", PATTERN),
    ("axb", "a.b", "`.` in place of a letter", PATTERN),
    ("axb", "a[xyz]b", "brackets in place of a letter", PATTERN),
];

/// Where columns end, in bytes; only lengths that an id can have are used.
const LENGTHS: [usize; 9] = [64, 65, 80, 100, 127, 128, 191, 192, 254];

impl<S: Store> Kit<'_, S> {
    pub(super) async fn user_ids(&self) -> Checked<(), S> {
        for (number, (one, other, what, fix)) in PAIRS.iter().enumerate() {
            for (order, [one, other]) in [[one, other], [other, one]].into_iter().enumerate() {
                let start = format!("{number}-{order}-");
                self.apart(&self.user(&format!("{start}{one}"))?, &self.user(&format!("{start}{other}"))?, what, fix)
                    .await?;
            }
        }
        for (order, spaces) in [["", " "], [" ", ""], [" ", "  "]].into_iter().enumerate() {
            let [one, other] = spaces.map(|space| Self::id(&format!("{space}{}space-{order}", self.prefix)));
            self.apart(&one?, &other?, "a leading space", BYTES).await?;
        }
        let lengths = LENGTHS.into_iter().filter(|length| *length < UserId::MAX_LEN);
        for length in lengths.chain([UserId::MAX_LEN]) {
            self.long_ids(length).await?;
        }
        Ok(())
    }

    async fn long_ids(&self, length: usize) -> Checked<(), S> {
        let fix = format!("keep ids of up to {} bytes, and never cut one", UserId::MAX_LEN);
        let of = |first: &str, length: usize, last: &str| {
            let start = format!("{first}{}long-{length}-", self.prefix);
            Self::id(&filled(start, "x", length.saturating_sub(last.len()), last))
        };
        let what = format!("the last of {length} bytes");
        self.apart(&of("", length, "a")?, &of("", length, "b")?, &what, &fix).await?;
        let what = format!("the first of {length} bytes");
        self.apart(&of("a", length, "c")?, &of("b", length, "c")?, &what, &fix).await?;
        let what = format!("the last of {length} bytes, which one of them lacks");
        let long = of("", length, "d")?;
        let short = long.as_str().strip_suffix('d').map_or_else(|| Ok(long.clone()), Self::id)?;
        self.apart(&long, &short, &what, &fix).await?;
        // As many characters of four bytes as fit, and then letters.
        let start = format!("{}wide-{length}-", self.prefix);
        let wide = filled(start, "😀", length.saturating_sub(1), "");
        let [one, other] = ["a", "b"].map(|last| Self::id(&filled(wide.clone(), "y", length.saturating_sub(1), last)));
        let what = format!("the last of {length} bytes, after characters of four bytes");
        self.apart(&one?, &other?, &what, &fix).await
    }

    /// Checks that two ids have a record each.
    async fn apart(&self, one: &UserId, other: &UserId, what: &str, fix: &str) -> Checked<(), S> {
        let share = || contract(format!("user ids that differ only in {what} share a record; {fix}"));
        let (first, second, third) = (record(1, *b"one"), record(1, *b"other"), record(2, *b"new"));
        let is_own = async |user: &UserId, wanted: &Record| match self.load(user).await? {
            Some(loaded) => Ok(loaded == *wanted),
            None => contract(format!(
                "a user id does not find its own record (the kit tests ids that differ in {what}); {fix}"
            )),
        };

        if self.swap(one, None, &first).await? != Swap::Applied
            || !is_own(one, &first).await?
            || self.load(other).await?.is_some()
            || self.swap(other, None, &second).await? != Swap::Applied
            || !is_own(one, &first).await?
            || !is_own(other, &second).await?
            || self.swap(other, Some(second.version()), &third).await? != Swap::Applied
            || !is_own(one, &first).await?
            || !is_own(other, &third).await?
        {
            return share();
        }
        Ok(())
    }
}

/// Appends `filler` to `start` as often as it fits into `length` bytes, and then `end`.
fn filled(mut start: String, filler: &str, length: usize, end: &str) -> String {
    while start.len() + filler.len() <= length {
        start.push_str(filler);
    }
    start.push_str(end);
    start
}
