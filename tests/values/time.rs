//! Points in time.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use factorgate::Timestamp;
use factorgate::env::BeforeEpoch;

#[test]
fn a_time_before_1970_is_refused_not_wrapped() {
    assert_eq!(Timestamp::try_from(UNIX_EPOCH - Duration::from_nanos(1)), Err(BeforeEpoch));
    assert_eq!(Timestamp::try_from(SystemTime::UNIX_EPOCH), Ok(Timestamp::from_secs(0)));
}

#[test]
fn arithmetic_stops_at_both_ends() {
    let end = Timestamp::from_secs(u64::MAX);
    assert_eq!(end.saturating_add(Duration::from_secs(1)), end);
    assert_eq!(Timestamp::from_secs(1).saturating_since(end), Duration::ZERO);
}
