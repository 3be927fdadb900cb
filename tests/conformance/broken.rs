//! A store in memory that can be broken in one way at a time, as a blocking and as an async store.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use factorgate::store::{Record, Store, Swap, Version};
use factorgate::{UserId, blocking};

/// How the store treats what it is given. The default is a store that conforms.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    /// The id as it is stored and looked up.
    pub(crate) id: fn(&str) -> String,
    /// Whether a lookup of the first id finds the row of the second one.
    pub(crate) finds: fn(&str, &str) -> bool,
    /// The version as it is stored.
    pub(crate) version: fn(i64) -> i64,
    /// Whether the expected version is the stored one.
    pub(crate) is_expected: fn(i64, i64) -> bool,
    /// The version as it is loaded.
    pub(crate) loaded_version: fn(i64) -> i64,
    /// The bytes as they are stored.
    pub(crate) bytes: fn(&[u8]) -> Vec<u8>,
    pub(crate) flaw: Option<Flaw>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            id: str::to_owned,
            finds: |asked, stored| asked == stored,
            version: |version| version,
            is_expected: |expected, stored| expected == stored,
            loaded_version: |version| version,
            bytes: <[u8]>::to_vec,
            flaw: None,
        }
    }
}

/// What the statements of the store do wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    AppliesNothing,
    IgnoresExpected,
    InsertReplaces,
    UpdateInserts,
    ConflictAfterApplied,
    AppliedWithoutMatch,
    WritesOnConflict,
    NeverInserts,
    EmptyIsNone,
    LoadsOneWriteLate,
    LoadsNowAndThenOneWriteLate,
    CachesLoads,
    ForgetsOnUpdate,
    /// Loads in other threads than the writer's see the write before the last.
    LoadsOneWriteLateInOtherThreads,
    /// Writers that come at the same time keep each other from writing.
    NobodyWins,
    /// Reads, and then writes.
    ReadThenWrite,
    /// Reads whether there is a row, and then inserts one; an update is one statement.
    ReadThenInsert,
    /// Reads the version, and then updates the row; an insert is one statement.
    ReadThenUpdate,
    /// Writes the version, and then the bytes.
    TwoStatements,
}

#[derive(Clone)]
struct Row {
    id: String,
    record: (i64, Vec<u8>),
    before: Option<(i64, Vec<u8>)>,
    writer: ThreadId,
}

pub(crate) struct Broken {
    columns: Columns,
    rows: Mutex<Vec<Row>>,
    cache: Mutex<BTreeMap<UserId, Option<Record>>>,
    loads: AtomicUsize,
    writers: AtomicUsize,
}

/// What is left to do after the pause in the middle of a write.
enum Rest {
    Nothing(Swap),
    Write,
    Bytes,
}

impl Broken {
    pub(crate) fn new(columns: Columns) -> Self {
        Self {
            columns,
            rows: Mutex::default(),
            cache: Mutex::default(),
            loads: AtomicUsize::new(0),
            writers: AtomicUsize::new(0),
        }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap()
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.columns.flaw == Some(flaw)
    }

    fn select(&self, user: &UserId) -> Option<Record> {
        let cached = self.has(Flaw::CachesLoads).then(|| self.cache.lock().unwrap().get(user).cloned()).flatten();
        if let Some(cached) = cached {
            return cached;
        }
        let load = self.loads.fetch_add(1, Ordering::SeqCst);
        let late = self.has(Flaw::LoadsOneWriteLate) || self.has(Flaw::LoadsNowAndThenOneWriteLate) && load % 5 == 4;
        let id = (self.columns.id)(user.as_str());
        let rows = self.rows();
        let row = rows.iter().find(|row| (self.columns.finds)(&id, &row.id));
        let elsewhere =
            |row: &Row| self.has(Flaw::LoadsOneWriteLateInOtherThreads) && row.writer != thread::current().id();
        let found =
            row.and_then(|row| if late || elsewhere(row) { row.before.clone() } else { Some(row.record.clone()) });
        let found = found.filter(|(_, bytes)| !(self.has(Flaw::EmptyIsNone) && bytes.is_empty()));
        let version = |version| Version::from((self.columns.loaded_version)(version));
        let record = found.map(|(number, bytes)| Record::new(version(number), bytes));
        if self.has(Flaw::CachesLoads) {
            self.cache.lock().unwrap().insert(user.clone(), record.clone());
        }
        record
    }

    /// Whether the stored version is the expected one.
    fn matches(&self, rows: &[Row], id: &str, expected: Option<Version>) -> bool {
        let exists = rows.iter().any(|row| row.id == id);
        match expected {
            None => !self.has(Flaw::NeverInserts) && (!exists || self.has(Flaw::InsertReplaces)),
            Some(_) if !exists && self.has(Flaw::UpdateInserts) => true,
            Some(expected) => rows.iter().any(|row| {
                (self.columns.finds)(id, &row.id) && (self.columns.is_expected)(i64::from(expected), row.record.0)
            }),
        }
    }

    fn write(&self, rows: &mut Vec<Row>, id: &str, next: &Record) {
        if self.has(Flaw::AppliesNothing) {
            return;
        }
        let new = ((self.columns.version)(i64::from(next.version())), (self.columns.bytes)(next.sealed()));
        let mut found = false;
        for row in rows.iter_mut().filter(|row| (self.columns.finds)(id, &row.id)) {
            found |= row.id == id;
            row.writer = thread::current().id();
            row.before = Some(std::mem::replace(&mut row.record, new.clone()));
        }
        if !found {
            rows.push(Row { id: id.to_owned(), record: new, before: None, writer: thread::current().id() });
        } else if self.has(Flaw::ForgetsOnUpdate) {
            rows.retain(|row| row.id != id);
        }
    }

    fn insert(&self, rows: &mut Vec<Row>, id: &str, next: &Record) {
        let new = ((self.columns.version)(i64::from(next.version())), (self.columns.bytes)(next.sealed()));
        match self.has(Flaw::InsertReplaces) || rows.iter().any(|row| row.id == id) {
            true => self.write(rows, id, next),
            false if self.has(Flaw::AppliesNothing) => {}
            false => rows.push(Row { id: id.to_owned(), record: new, before: None, writer: thread::current().id() }),
        }
    }

    /// The first part of a write: all of it, unless the store is not atomic.
    fn begin(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Rest {
        let id = (self.columns.id)(user.as_str());
        let mut rows = self.rows();
        let matches = self.matches(&rows, &id, expected) || self.has(Flaw::IgnoresExpected);
        if !matches {
            if self.has(Flaw::WritesOnConflict) && expected.is_some() {
                self.write(&mut rows, &id, next);
            }
            let applied = self.has(Flaw::AppliedWithoutMatch);
            return Rest::Nothing(if applied { Swap::Applied } else { Swap::Conflict });
        }
        match (self.columns.flaw, expected) {
            (Some(Flaw::ReadThenWrite), _)
            | (Some(Flaw::ReadThenInsert), None)
            | (Some(Flaw::ReadThenUpdate), Some(_)) => return Rest::Write,
            (Some(Flaw::TwoStatements), Some(_)) => {
                let row = rows.iter_mut().find(|row| row.id == id).unwrap();
                row.record.0 = i64::from(next.version());
                return Rest::Bytes;
            }
            (_, None) => self.insert(&mut rows, &id, next),
            (_, Some(_)) => self.write(&mut rows, &id, next),
        }
        Rest::Nothing(if self.has(Flaw::ConflictAfterApplied) { Swap::Conflict } else { Swap::Applied })
    }

    /// The second part of a write that is not atomic.
    fn finish(&self, rest: Rest, user: &UserId, next: &Record) -> Swap {
        let id = (self.columns.id)(user.as_str());
        match rest {
            Rest::Nothing(swap) => return swap,
            Rest::Write => self.write(&mut self.rows(), &id, next),
            Rest::Bytes => {
                let mut rows = self.rows();
                rows.iter_mut().find(|row| row.id == id).unwrap().record.1 = next.sealed().to_vec();
            }
        }
        Swap::Applied
    }
}

impl blocking::Store for Broken {
    type Error = Infallible;

    fn load(&self, user: &UserId) -> Result<Option<Record>, Infallible> {
        Ok(self.select(user))
    }

    fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Infallible> {
        let rest = self.begin(user, expected, next);
        if !matches!(rest, Rest::Nothing(_)) {
            // The way to the database and back.
            thread::sleep(Duration::from_micros(20));
        }
        Ok(self.finish(rest, user, next))
    }
}

/// The same as an async store, which gives way to other tasks where a database would be waited for.
pub(crate) struct Async(pub(crate) Broken);

impl Store for Async {
    type Error = Infallible;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, Infallible> {
        tokio::task::yield_now().await;
        Ok(self.0.select(user))
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, Infallible> {
        if self.0.has(Flaw::NobodyWins) {
            self.0.writers.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let others = self.0.writers.load(Ordering::SeqCst) > 1;
            tokio::task::yield_now().await;
            self.0.writers.fetch_sub(1, Ordering::SeqCst);
            if others {
                return Ok(Swap::Conflict);
            }
        }
        let rest = self.0.begin(user, expected, next);
        tokio::task::yield_now().await;
        Ok(self.0.finish(rest, user, next))
    }
}

/// Whether `text` is like `pattern`: `many` stands for any text, `one` for any character, `escape` for the next one.
pub(crate) fn is_like(pattern: &str, text: &str, many: char, one: char, escape: char) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some(wild) if wild == many => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| is_like(rest.as_str(), &text[at..], many, one, escape))
        }
        Some(first) => {
            let literal = if first == escape { rest.next().unwrap_or(first) } else { first };
            let mut text = text.chars();
            let is_wild = first == one && first != escape;
            text.next().is_some_and(|next| is_wild || next == literal)
                && is_like(rest.as_str(), text.as_str(), many, one, escape)
        }
    }
}
