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
use race::{LIMIT, ROUNDS, Race};

/// The race gives `expected` in each round, and without compare-and-swap it does not.
async fn check(race: Race, expected: usize) {
    assert_eq!(race::run(MemoryStore::new(), race).await, [expected; ROUNDS], "{race:?}");
    let control = race::run(MemoryStore::ignoring_expected(), race).await;
    assert!(control.iter().any(|got| *got > expected), "the control of {race:?} must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_b7_of_32_wrong_app_codes_five_are_judged() {
    check(Race::WrongAppCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_wrong_codes_one_tells_of_the_lock() {
    check(Race::LockNotices, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_a12_of_32_wrong_email_codes_five_are_judged() {
    check(Race::WrongEmailCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_app_code_opens_one_of_two_logins_once() {
    check(Race::RightAppCode, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a02_one_email_code_opens_once() {
    check(Race::RightEmailCode, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a02_one_ticket_is_good_once() {
    check(Race::Ticket, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d07_one_registration_is_confirmed_once() {
    check(Race::Confirmation, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h04_one_token_of_a_browser_is_replaced_once() {
    check(Race::BrowserToken, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_b9_of_32_wrong_codes_in_two_step_ups_five_are_judged() {
    check(Race::WrongStepUpCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_app_code_steps_up_once() {
    check(Race::StepUp, 1).await;
}

/// As [`check`], for what happens to factors after they are registered.
async fn check_lifecycle(race: LifecycleRace, expected: usize) {
    assert_eq!(lifecycle::run(MemoryStore::new(), race).await, [expected; ROUNDS], "{race:?}");
    let control = lifecycle::run(MemoryStore::ignoring_expected(), race).await;
    assert!(control.iter().any(|got| *got > expected), "the control of {race:?} must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a04_one_recovery_code_opens_one_of_two_logins_once() {
    check_lifecycle(LifecycleRace::RecoveryCode, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a04_each_login_by_a_recovery_code_has_spent_one() {
    check_lifecycle(LifecycleRace::RecoveryCodes, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_b09_of_32_wrong_recovery_codes_five_are_judged() {
    check_lifecycle(LifecycleRace::WrongRecoveryCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_app_code_makes_new_recovery_codes_once() {
    check_lifecycle(LifecycleRace::NewRecoveryCodes, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h01_new_recovery_codes_are_confirmed_once() {
    check_lifecycle(LifecycleRace::RecoveryConfirmation, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d02_one_device_is_replaced_once() {
    check_lifecycle(LifecycleRace::Replacement, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h15_no_request_brings_back_what_a_reset_has_taken() {
    check_lifecycle(LifecycleRace::Reset, 0).await;
}

/// As [`check`], for grace and the factors of the host.
async fn check_company(race: CompanyRace, expected: usize) {
    assert_eq!(company::run(MemoryStore::new(), race).await, [expected; ROUNDS], "{race:?}");
    let control = company::run(MemoryStore::ignoring_expected(), race).await;
    assert!(control.iter().any(|got| *got > expected), "the control of {race:?} must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn e19_of_16_logins_in_grace_one_writes_the_deadline_and_all_are_told_it() {
    check_company(CompanyRace::Grace, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a02_the_word_of_the_host_opens_one_login_once() {
    check_company(CompanyRace::Assertion, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_of_32_failed_checks_of_the_host_five_are_judged() {
    check_company(CompanyRace::FailedChecks, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d07_one_factor_of_the_host_is_registered_once() {
    check_company(CompanyRace::Registration, 1).await;
}
