//! What requests cost: one load, one swap if something changes, and another of each to clear a delivered notice.

use factorgate::policy::{Exemption, GraceDays};

use super::*;

impl Host {
    /// Loads and swaps of `request`.
    async fn cost<T>(&self, request: impl Future<Output = T>) -> (T, (u64, u64)) {
        let before = (self.store.loads(), self.store.swaps());
        let value = request.await;
        (value, (self.store.loads() - before.0, self.store.swaps() - before.1))
    }
}

#[tokio::test]
async fn only_the_login_that_begins_the_grace_period_writes() {
    let host = Host::new();
    let policy = Policy::any_of([App], WithTicket).unwrap().with_grace(GraceDays::new(14).unwrap());
    for (cost, what) in [((1, 1), "the first"), ((1, 0), "the next one")] {
        let (login, paid) = host.cost(host.begin(&policy)).await;
        assert!(done(login).grace_until().is_some());
        assert_eq!(paid, cost, "{what}");
    }
}

#[tokio::test]
async fn exemption_costs_one_swap_and_so_does_its_withdrawal() {
    let host = Host::new();
    let exemption = Exemption::new("O. Petrova", "waits for a smartphone", secs(NOW), secs(NOW + DAY)).unwrap();
    let by = admin();
    let administrator = host.mfa.admin(&by);
    for (exemption, cost, what) in
        [(Some(&exemption), (1, 1), "granted"), (None, (1, 1), "withdrawn"), (None, (1, 0), "there is none")]
    {
        let (result, paid) = host.cost(administrator.exempt(&host.user, exemption)).await;
        assert_eq!((result.unwrap(), paid), (Ok(()), cost), "{what}");
    }
}

#[tokio::test]
async fn external_factor_costs_what_a_device_costs() {
    let host = Host::new();
    let session = host.session().await;
    let enroll = enrolling(host.begin_registration(&session).await);
    let checked = host.checked(passkey());
    let (outcome, cost) = host.cost(host.assert_checked(enroll.challenge().flow(), &session, checked)).await;
    host.open(done(outcome));
    assert_eq!(cost, (2, 2), "a registration, and its notice");
    let policy = off();
    let login = host.challenge(&policy).await;
    let (_, cost) = host.cost(host.fail(login.flow(), &policy, passkey())).await;
    assert_eq!(cost, (1, 1), "a failed check");
    let (outcome, cost) = host.cost(host.assert_checked(login.flow(), &policy, checked)).await;
    host.open(done(outcome));
    assert_eq!(cost, (1, 1), "a check");
    let (_, cost) = host.cost(host.assert_checked(login.flow(), &policy, checked)).await;
    assert_eq!(cost, (1, 0), "a check in a login that is over");
    let (check, cost) = host.cost(host.session()).await;
    assert_eq!(cost, (1, 0), "the check of a session");
    let elevated = host.elevated_by(&check, passkey()).await;
    let dangerous = host.mfa.elevated(&elevated);
    let (removed, cost) = host.cost(dangerous.remove_external(passkey())).await;
    let _ = removed.unwrap().unwrap();
    assert_eq!(cost, (2, 2), "a removal, and its notice");
}
