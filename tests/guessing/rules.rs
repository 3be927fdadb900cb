//! The numbers of the guessing budgets, and rules that look simpler and that an attack breaks.

pub(crate) type Time = i64;

pub(crate) const NEVER: Time = -1_000_000_000;
const MINUTE: Time = 60;
const HOUR: Time = 60 * MINUTE;
pub(crate) const DAY: Time = 24 * HOUR;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// An app code.
    App,
    /// An app code, or an e-mail code in its place.
    AppOrMail,
    /// An e-mail code, and then an app code.
    AppAndMail,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Units that all unknown browsers share, for each factor.
    pub cap: i64,
    /// In this time one unit is regained.
    pub every: Time,
    /// Wrong codes before a lock.
    pub limit: i64,
    /// The first lock. Each further one is twice as long, up to `longest`.
    pub first: Time,
    pub longest: Time,
    /// After so long without a lock, the next one has the first length again.
    pub calm: Time,
    /// Wrong codes of a known browser; then its token is dropped.
    pub own: i64,
    /// Units that can be paid back in the time of `every`.
    pub good: i64,
    /// A password reset without a second factor raises the units to this, at most once in `grant_every`.
    pub grant: i64,
    pub grant_every: Time,
    /// Consecutive failures that disable a factor.
    pub nist: i64,
    /// Known browsers, and how many of them may have proved less than an app code.
    pub known: usize,
    pub weak: usize,
    /// Open flows of all unknown browsers; and of all known ones.
    pub lane: usize,
    /// The lifetime of a flow, and of a mailed code.
    pub life: Time,
    /// Attempts at one mailed code.
    pub per_code: i64,
    /// Mailed codes in the time of `hour`: unknown browsers share them, a known one has its own.
    pub sends: i64,
    pub hour: Time,
    /// So much the clocks of two servers may differ.
    pub skew: Time,
    /// Units of one comparison: one for each three steps of the window, begun.
    pub weight: i64,
    pub policy: Policy,
    pub simpler: Option<Simpler>,
}

impl Rules {
    /// The numbers of the engine.
    pub(crate) const REAL: Self = Self {
        cap: 30,
        every: 14 * DAY,
        limit: 5,
        first: MINUTE,
        longest: HOUR,
        calm: DAY,
        own: 10,
        good: 10,
        grant: 10,
        grant_every: 90 * DAY,
        nist: 100,
        known: 10,
        weak: 3,
        lane: 4,
        life: 10 * MINUTE,
        per_code: 5,
        sends: 10,
        hour: HOUR,
        skew: MINUTE,
        weight: 1,
        policy: Policy::App,
        simpler: None,
    };

    /// Numbers so small that every short history can be looked at.
    pub(crate) const SMALL: Self = Self {
        cap: 2,
        every: 6,
        limit: 2,
        first: 1,
        longest: 2,
        calm: 4,
        own: 3,
        good: 1,
        grant: 1,
        grant_every: 12,
        nist: 50,
        known: 2,
        weak: 1,
        lane: 2,
        life: 4,
        per_code: 2,
        sends: 2,
        hour: 4,
        skew: 0,
        ..Self::REAL
    };

    pub(crate) fn has(&self, simpler: Simpler) -> bool {
        self.simpler == Some(simpler)
    }
}

/// A rule that looks simpler. Each of them is broken by an attack that a test finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Simpler {
    /// A success by whatever factor pays back.
    AnyFactorPaysBack,
    /// Payback has no bound.
    PaybackWithoutBound,
    /// A browser is known for all factors, whatever it has proved.
    KnownForAllFactors,
    /// Any password change restores everything.
    ResetRestoresAll,
    /// Open flows are one set.
    OneSetOfFlows,
    /// A code is paid for after it was compared.
    PaidAfterwards,
    /// One budget and one lock for all factors.
    SharedByFactors,
    /// Every wrong recovery code counts.
    EveryRecoveryCodeCounts,
    /// A token stays the same, and a success restores its budget.
    TokenStays,
    /// A token and the one before share a count, also after an app code.
    TokensShareCount,
    /// A token and the one before never share a count.
    TokensNeverShareCount,
    /// A used code costs nothing.
    UsedCodeIsFree,
    /// A lock is stored as its end.
    LockStoredAsEnd,
    /// Flows of every known browser share the places of the known ones.
    WeakBrowsersShareFlows,
    /// An old token and an e-mail code give a new token.
    OldTokenIsReplaced,
    /// All the units that the time is worth are regained at once.
    RegainedAtOnce,
}
