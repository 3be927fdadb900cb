//! Every plan, compared with that of a reference implementation: `data/plans.txt`.

mod policy_cases;

use factorgate::policy::{DenyReason, FirstRegistration, Plan, Remedy, Step};
use policy_cases::{Channels, EVERY_CASE, Settings};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("data/plans.txt");

#[test]
fn every_plan_is_the_reference_s() {
    let lines = || TABLE.lines().filter(|line| !line.starts_with('#'));
    let legend: BTreeMap<char, &str> =
        lines().filter_map(|l| l.split_once(" = ")).map(|(symbol, plan)| (symbol.parse().unwrap(), plan)).collect();
    let rows: BTreeMap<&str, &str> = lines().filter_map(|l| l.split_once(": ")).collect();
    assert_eq!((legend.len(), rows.len()), (34, 96));

    let (mut compared, mut met) = (0, BTreeSet::new());
    for cases in EVERY_CASE.chunk_by(|a, b| a.settings == b.settings) {
        let row = rows[settings(&cases[0].settings).as_str()];
        assert_eq!(row.len(), cases.len());
        for (symbol, case) in row.chars().zip(cases) {
            assert_eq!(text(&case.plan), legend[&symbol], "{:?}, {:?}", case.settings, case.user);
            met.insert(symbol);
            compared += 1;
        }
    }
    assert_eq!(compared, 30_720);
    assert_eq!(met.len(), legend.len(), "a plan of the legend never occurred");
}

fn settings(settings: &Settings) -> String {
    let mut words = vec![
        match settings.channels {
            Channels::Off => "off",
            Channels::Email => "email",
            Channels::Any => "any",
            Channels::App => "app",
            Channels::All => "all",
        },
        match settings.first {
            FirstRegistration::AfterPassword => "after_password",
            FirstRegistration::AfterEmailCode => "after_email_code",
            FirstRegistration::WithTicket => "with_ticket",
            _ => unreachable!(),
        },
    ];
    words.extend(settings.fallback.then_some("fallback"));
    words.extend(settings.trust.then_some("trust"));
    words.extend(settings.grace.then_some("grace"));
    words.join(" ")
}

fn text(plan: &Plan) -> String {
    let mut text = match plan {
        Plan::Allow { .. } => "allow".to_owned(),
        Plan::Deny(denial) => {
            let reason = match denial.reason {
                DenyReason::NoUsableEmail => "no_usable_email",
                DenyReason::NoFirstEnrollmentProof => "no_first_enrollment_proof",
                _ => unreachable!(),
            };
            let remedy = match denial.remedy {
                Remedy::FixEmailAddress => "fix_email_address",
                Remedy::IssueTicket => "issue_ticket",
                _ => unreachable!(),
            };
            format!("deny {reason}, {remedy}")
        }
        Plan::Paths { paths, .. } => {
            let mut paths: Vec<String> = paths.iter().map(|path| steps(path.steps())).collect();
            paths.sort();
            paths.join(" | ")
        }
        _ => unreachable!(),
    };
    if plan.reminds_enrollment() {
        text.push_str(" + remind");
    }
    text
}

fn steps(steps: &[Step]) -> String {
    let words: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            Step::AppCode => "app",
            Step::RecoveryCode => "recovery",
            Step::EmailCode => "email",
            Step::VerifyEmail => "verify_email",
            Step::Ticket => "ticket",
            Step::EnrollApp => "enroll_app",
            _ => unreachable!(),
        })
        .collect();
    words.join(", ")
}
