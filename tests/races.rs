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
    race::check(MemoryStore::new(), MemoryStore::ignoring_expected(), race, expected).await;
}

race::login_tests!(check);

race::tests! { check:
    a04_one_recovery_code_opens_one_of_two_logins_once => LifecycleRace::RecoveryCode, 1;
    a04_each_login_by_a_recovery_code_has_spent_one => LifecycleRace::RecoveryCodes, 0;
    a01_b09_of_32_wrong_recovery_codes_five_are_judged => LifecycleRace::WrongRecoveryCodes, LIMIT;
    a03_one_app_code_makes_new_recovery_codes_once => LifecycleRace::NewRecoveryCodes, 1;
    h01_new_recovery_codes_are_confirmed_once => LifecycleRace::RecoveryConfirmation, 1;
    d02_one_device_is_replaced_once => LifecycleRace::Replacement, 1;
    h15_no_request_brings_back_what_a_reset_has_taken => LifecycleRace::Reset, 0;
    e19_of_16_logins_in_grace_one_writes_the_deadline_and_all_are_told_it => CompanyRace::Grace, 1;
    a02_the_word_of_the_host_opens_one_login_once => CompanyRace::Assertion, 1;
    a01_of_32_failed_checks_of_the_host_five_are_judged => CompanyRace::FailedChecks, LIMIT;
    d07_one_factor_of_the_host_is_registered_once => CompanyRace::Registration, 1;
}
