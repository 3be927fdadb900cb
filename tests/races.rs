//! Requests that come at the same time, on a store in memory. Each race has its control: on a store that takes
//! every write the same race is lost.

#[path = "race/company.rs"]
mod company;
#[path = "race/lifecycle.rs"]
mod lifecycle;
mod race;

use company::CompanyRace;
use factorgate::testing::MemoryStore;
use lifecycle::LifecycleRace;
use race::{LIMIT, LoginRace, Race};

async fn check(race: impl Race, expected: usize) {
    race::check(MemoryStore::interleaving(), async || MemoryStore::ignoring_expected(), race, expected).await;
}

race::login_tests!(check);

race::tests! { check:
    one_recovery_code_completes_one_of_two_logins_once => LifecycleRace::RecoveryCode, 1;
    every_login_by_a_recovery_code_spends_one => LifecycleRace::RecoveryCodes, 0;
    parallel_recovery_codes_never_exceed_the_budget => LifecycleRace::WrongRecoveryCodes, LIMIT;
    new_recovery_codes_are_confirmed_once => LifecycleRace::RecoveryConfirmation, 1;
    one_device_is_replaced_once => LifecycleRace::Replacement, 1;
    no_request_brings_back_what_a_reset_has_removed => LifecycleRace::Reset, 0;
    one_completion_is_confirmed_once => LifecycleRace::Completion, 1;
    owed_notice_is_sent_by_one_of_many_changes => LifecycleRace::OwedNotice, 1;
    parallel_logins_in_grace_have_one_deadline => CompanyRace::Grace, 1;
    one_assertion_completes_one_login_once => CompanyRace::Assertion, 1;
    parallel_failed_checks_never_exceed_the_budget => CompanyRace::FailedChecks, LIMIT;
    one_external_factor_is_registered_once => CompanyRace::Registration, 1;
}
