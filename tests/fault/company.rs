//! Faults in grace, exemptions and external factors.

use factorgate::policy::{AuthenticationMethod, Exemption, ExternalEvidence, ExternalFactor, Grace, GraceDays};

use super::*;

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn deferred() -> Policy {
    with_ticket().with_grace(GraceDays::new(14).unwrap())
}

impl World {
    fn checked(&self) -> ExternalEvidence {
        ExternalEvidence::assertion(passkey(), [AuthenticationMethod::HardwareKey], self.clock.time()).unwrap()
    }

    /// Registers the passkey in the session that is open.
    async fn bind(&self) -> Result<bool, Failure> {
        let claims = self.claims();
        let check = self.mfa.check_session(&claims, &self.row(), &off()).await?;
        let session = check.session().unwrap();
        let begun = self.mfa.profile(session).begin_registration().await?;
        Ok(is_in(&self.mfa.assert_external(begun.flow().unwrap(), session, Ok(self.checked())).await?))
    }

    async fn by_passkey(&self) -> Result<bool, Failure> {
        let asked = asked(self.try_begin(&off()).await?);
        Ok(is_in(&self.mfa.assert_external(asked.flow(), &off(), Ok(self.checked())).await?))
    }

    fn exemption(&self) -> Exemption {
        let now = self.clock.time();
        Exemption::new("O. Petrova", "waits for a smartphone", now, now.saturating_add(Duration::from_secs(60)))
            .unwrap()
    }

    async fn exempt(&self) -> Result<bool, Failure> {
        Ok(self.mfa.admin(&admin()).exempt(&alice(), Some(&self.exemption())).await?.is_ok())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Assertion,
    Binding,
    ByAdministrator,
    Exemption,
    Grace,
}

#[tokio::test]
async fn every_store_call_fails_once_and_a_change_is_made_as_a_whole_or_not() {
    use Operation::*;
    for (operation, calls) in [(Assertion, 4), (Binding, 5), (ByAdministrator, 2), (Exemption, 2), (Grace, 2)] {
        for fault in [Fault::Before, Fault::After] {
            let mut failures = 0;
            loop {
                let world = World::new(fault);
                world.session().await;
                if operation == Assertion {
                    assert!(world.bind().await.unwrap());
                }
                world.store.fail_at(failures);
                let run = async {
                    match operation {
                        Assertion => world.by_passkey().await,
                        Binding => world.bind().await,
                        ByAdministrator => {
                            let by = admin();
                            let admin = world.mfa.admin(&by);
                            Ok(admin.register_external(&alice(), passkey(), &contact()).await?.is_ok())
                        }
                        Exemption => world.exempt().await,
                        Grace => Ok(is_in(&world.try_begin(&deferred()).await?)),
                    }
                };
                match run.await {
                    Ok(done) => {
                        assert!(done, "{operation:?} without a fault");
                        break;
                    }
                    Err(error) => assert_store_failed::<()>(Err(error)),
                }
                world.store.fail_at(u64::MAX);
                // The write whose answer was lost.
                let written = failures + 1 == calls && world.is_after();
                failures += 1;
                let status = world.status().await;
                match operation {
                    Assertion => {
                        assert_eq!(status.external[0].last_used_at.is_some(), written);
                        assert!(world.by_passkey().await.unwrap(), "a new login is not in its way");
                    }
                    Binding | ByAdministrator => {
                        assert_eq!((status.external.len(), status.ever_had_factor), (written.into(), written));
                        // Whoever is told of it later is told all the same: the notice is part of the write.
                        assert_eq!(status.owed_notices, written.into());
                    }
                    Exemption => assert_eq!(status.exemption, written.then(|| world.exemption())),
                    Grace => {
                        let at = world.clock.time();
                        world.wait(60);
                        let passed = done(world.begin(&deferred()).await);
                        let begun = if written { at } else { world.clock.time() };
                        let until = begun.saturating_add(Duration::from_secs(14 * DAY));
                        assert_eq!(passed.grace_until(), Some(until), "written once, seen or not");
                    }
                }
            }
            assert_eq!(failures, calls, "{operation:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn factor_whose_notice_is_not_delivered_is_registered_all_the_same() {
    let world = World::new(Fault::Before);
    world.session().await;
    world.outbox.set_fault(Some(MailFault::Unknown));
    assert!(world.bind().await.unwrap());
    world.outbox.set_fault(None);
    assert_eq!(world.outbox.sent().last().unwrap().notice, Some(Notice::FactorAdded { factor: passkey() }));
    assert!(world.by_passkey().await.unwrap());
}

#[tokio::test]
async fn without_the_time_nobody_is_in_grace_or_exempt() {
    let world = World::new(Fault::Before);
    assert!(world.exempt().await.unwrap());
    world.clock.set_broken(true);
    for policy in [deferred(), with_ticket()] {
        assert!(matches!(world.try_begin(&policy).await, Err(Error::Clock)));
    }
    world.clock.set_broken(false);
    assert_eq!(world.status().await.grace, Grace::NotStarted);
    assert!(is_in(&world.begin(&with_ticket()).await));
}
