//! What a change of the settings does, said before it is saved.

mod policy_cases;

use factorgate::policy::{
    Channel::{App, Email},
    DenyReason, DeviceStanding, EmailStanding, Plan, Policy, Preview, Remedy, Standing, Step, Summary,
};
use policy_cases::company::{PUSH, exemption, factors};
use policy_cases::{DAY, EVERY_CASE, FIRST, IN_GRACE, NOW, Settings, days, every_user, user, with};
use std::cell::Cell;

const CONFIRMED: DeviceStanding = DeviceStanding::Confirmed { recovery_codes: false };
const VERIFIED: Option<EmailStanding> = Some(EmailStanding { verified: true, tainted: false });

#[test]
fn each_finding_is_what_the_two_plans_say() {
    let users = every_user();
    let plans: Vec<_> = EVERY_CASE.chunks(users.len()).collect();
    let (mut lost, mut gained, mut out) = (0, 0, 0);
    for (i, old) in plans.iter().enumerate() {
        let new = plans[(i * 37 + 11) % plans.len()];
        let preview = Preview::new(&old[0].policy, &new[0].policy);
        for (u, finding) in preview.findings(users.iter().cloned().enumerate()).enumerate() {
            let (before, after) = (&old[u].plan, &new[u].plan);
            assert_eq!((finding.id, &finding.before, &finding.after), (u, before, after));
            assert_eq!(finding.changes(), before != after);
            assert_eq!(finding.password_alone(), new[u].allows());
            assert_eq!(finding.locked_out().is_some(), new[u].denies());
            assert_eq!(finding.newly_locked_out().is_some(), new[u].denies() && !old[u].denies());
            let registers = |steps: &[Step]| steps.contains(&Step::EnrollApp);
            let asks = !after.paths().is_empty();
            assert_eq!(finding.must_register(), asks && new[u].every_path(registers));
            for step in
                [Step::AppCode, Step::RecoveryCode, Step::EmailCode, Step::VerifyEmail, Step::Ticket, Step::EnrollApp]
            {
                let (was, is) = (old[u].asks_for(step), new[u].asks_for(step));
                assert_eq!(finding.gained().contains(&step), is && !was);
                assert_eq!(finding.lost().contains(&step), was && !is);
            }
            gained += finding.gained().len();
            lost += finding.lost().len();
            out += usize::from(finding.locked_out().is_some());
        }
    }
    assert!(gained > 0 && lost > 0 && out > 0);
}

#[test]
fn the_summary_counts_the_findings() {
    let (old, new) = (Policy::off(FIRST[1]), Policy::any_of([App], FIRST[1]).unwrap().with_grace(days(14)));
    let people = [
        ("in grace", user(|u| u.grace = IN_GRACE)),
        ("registers", user(|u| u.email = VERIFIED)),
        ("locked out", user(|_| {})),
        ("has a device", user(|u| u.device = CONFIRMED)),
        ("was locked out before", user(|u| (u.device, u.external) = (DeviceStanding::Formerly, factors(PUSH)))),
    ];
    let preview = Preview::new(&old, &new);
    let summary: Summary = preview.findings(people.clone()).collect();
    let shown = format!("{summary:?}");
    assert_eq!(
        shown,
        "Summary { users: 5, changed: 4, gain_a_step: 2, lose_a_step: 0, locked_out: 1, newly_locked_out: 1, \
         must_register: 2, in_grace: 1, password_alone_before: 3, password_alone_after: 1 }"
    );
    let denials: Vec<_> =
        preview.findings(people.clone()).filter_map(|found| Some((found.id, found.locked_out()?.remedy))).collect();
    assert_eq!(denials, [("locked out", Remedy::IssueTicket)]);

    let back: Summary = Preview::new(&new, &old).findings(people).collect();
    assert_eq!((back.lose_a_step, back.gain_a_step, back.newly_locked_out), (2, 0, 0));
    assert_eq!((back.password_alone_before, back.password_alone_after), (1, 3));
}

#[test]
fn a_hundred_thousand_users_stream_one_at_a_time() {
    const USERS: u64 = 100_000;
    let preview = Preview::new(&Policy::off(FIRST[2]), &Policy::any_of([App, Email], FIRST[2]).unwrap());
    let (made, seen) = (Cell::new(0), Cell::new(0));
    let users = (0..USERS).map(|id| {
        assert_eq!(made.get(), seen.get(), "nobody is taken before the one before is done with");
        made.set(made.get() + 1);
        (id, user(|u| u.email = VERIFIED.filter(|_| id % 4 != 0)))
    });
    let mut findings = preview.findings(users);
    assert_eq!(made.get(), 0, "nobody is taken before somebody asks");
    let mut summary = Summary::default();
    for finding in &mut findings {
        seen.set(seen.get() + 1);
        summary.count(&finding);
    }
    assert_eq!((summary.users, summary.newly_locked_out, summary.changed), (USERS, USERS / 4, USERS));
    assert!(size_of::<Summary>() <= 128, "counts, and nothing of the users");
}

#[test]
fn what_locks_out_every_administrator_is_not_saved() {
    let (old, ticket) = (Policy::off(FIRST[2]), Policy::any_of([App], FIRST[2]).unwrap().with_trusted_browsers());
    let preview = || Preview::new(&old, &ticket.clone().with_grace(days(90)));
    let stuck = user(|_| {});
    // None of these lasts: grace, an exemption, a browser that is trusted for the time being.
    let excused = [
        with(&stuck, |u| u.grace = IN_GRACE),
        with(&stuck, |u| u.exemption = exemption(NOW, NOW + DAY)),
        with(&stuck, |u| u.trusted = true),
    ];
    assert!(matches!(preview().finding((), &excused[0]).after, Plan::Allow { .. }));
    let refused = preview().check_administrators(excused.iter().chain([&stuck]).cloned()).unwrap_err();
    assert_eq!((refused.administrators, refused.denial.unwrap().reason), (4, DenyReason::NoFirstEnrollmentProof));
    assert_eq!(refused.to_string(), "the policy would lock out every administrator");
    assert!(std::error::Error::source(&refused).is_some());
    assert_eq!(refused.accept_lockout().policy().channels(), ticket.channels());

    // One is enough.
    for way_in in [with(&stuck, |u| u.ticket = true), with(&stuck, |u| u.device = CONFIRMED)] {
        let saved = preview().check_administrators([stuck.clone(), way_in]).unwrap();
        assert_eq!(saved.into_policy().grace(), Some(days(90)));
    }
    // Where nobody is named, nobody has a way in.
    let nobody = preview().check_administrators([]).unwrap_err();
    assert_eq!((nobody.administrators, nobody.denial), (0, None));
}

#[test]
fn nothing_is_refused_that_leaves_a_way_in_and_nothing_else_is_taken() {
    let users = every_user();
    let old = Policy::off(FIRST[0]);
    let (mut taken, mut refused) = (0, 0);
    for settings in Settings::every() {
        let policy = settings.policy();
        for pair in users.chunks(2).step_by(3) {
            let alone = |u: &Standing| with(u, |u| (u.trusted, u.now) = (false, None));
            let way_in = pair.iter().any(|u| !matches!(policy.evaluate(&alone(u)), Plan::Deny(_)));
            let checked = Preview::new(&old, &policy).check_administrators(pair.iter().cloned());
            assert_eq!(checked.is_ok(), way_in, "{settings:?}, {pair:?}");
            if way_in { taken += 1 } else { refused += 1 }
        }
    }
    assert!(taken > 0 && refused > 0);
}
