//! What it costs: one load, and one swap where something changes.

use factorgate::policy::{Exemption, GraceDays};

use super::*;

impl Host {
    /// Loads and swaps that `request` takes.
    async fn cost<T>(&self, request: impl Future<Output = T>) -> (T, (u64, u64)) {
        let before = (self.store.loads(), self.store.swaps());
        let value = request.await;
        (value, (self.store.loads() - before.0, self.store.swaps() - before.1))
    }
}

#[tokio::test]
async fn the_first_login_in_grace_is_the_one_that_writes_though_it_owes_nothing() {
    let host = Host::new();
    let policy = Policy::any_of([App], WithTicket).unwrap().with_grace(GraceDays::new(14).unwrap());
    for (cost, what) in [((1, 1), "the first"), ((1, 0), "the next one")] {
        let (login, paid) = host.cost(host.begin(&policy)).await;
        assert!(passed(login).reminds_enrollment());
        assert_eq!(paid, cost, "{what}");
    }
}

#[tokio::test]
async fn an_exemption_is_one_swap_and_so_is_its_end() {
    let host = Host::new();
    let exemption = Exemption::new("O. Petrova", "waits for a smartphone", secs(NOW), secs(NOW + DAY)).unwrap();
    let (by, user) = (admin(), alice());
    let (_, cost) = host.cost(host.mfa.grant_exemption(&user, &exemption, &by)).await;
    assert_eq!(cost, (1, 1), "granted");
    let (_, cost) = host.cost(host.mfa.withdraw_exemption(&user, &by)).await;
    assert_eq!(cost, (1, 1), "withdrawn");
    let (_, cost) = host.cost(host.mfa.withdraw_exemption(&user, &by)).await;
    assert_eq!(cost, (1, 0), "there is none any more");
}

#[tokio::test]
async fn a_factor_of_the_host_costs_what_a_device_costs() {
    let (host, policy) = (Host::new(), off());
    let Registration::Enroll(enroll) = host.begin_registration(&policy).await else { panic!() };
    let checked = host.checked(passkey());
    let (done, cost) = host.cost(host.mfa.register_external(enroll.flow(), &checked, &policy)).await;
    assert!(matches!(done.unwrap(), Registration::Registered(_)));
    assert_eq!(cost, (1, 1), "a registration");
    let asked = host.challenge(&policy).await;
    let (_, cost) = host.cost(host.mfa.external_failed(asked.flow(), passkey(), &policy)).await;
    assert_eq!(cost, (1, 1), "a check that has failed");
    let (login, cost) = host.cost(host.mfa.assert_external(asked.flow(), &checked, &policy)).await;
    let session = claims(&passed(login.unwrap()));
    assert_eq!(cost, (1, 1), "a check");
    let (_, cost) = host.cost(host.mfa.assert_external(asked.flow(), &checked, &policy)).await;
    assert_eq!(cost, (1, 0), "the same in a login that is over");
    let elevated = host.elevated(&session, passkey()).await;
    let (removal, cost) = host.cost(host.mfa.remove_external(&elevated, passkey(), contact(), &policy)).await;
    assert!(matches!(removal.unwrap(), factorgate::Removal::Removed { .. }));
    assert_eq!(cost, (1, 1), "a removal");
}
