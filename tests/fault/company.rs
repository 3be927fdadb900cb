//! Faults in grace, exemptions and factors that the host checks.

use factorgate::policy::{AuthenticationMethod, Exemption, ExternalEvidence, ExternalFactor, Grace, GraceDays};
use factorgate::{Administrator, Change, Notice};

use super::*;

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn passkey() -> ExternalFactor {
    ExternalFactor::phishing_resistant("passkey").unwrap()
}

fn with_ticket() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap()
}

fn deferred() -> Policy {
    with_ticket().with_grace(GraceDays::new(14).unwrap())
}

impl Host {
    fn checked(&self) -> ExternalEvidence {
        ExternalEvidence::assertion(passkey(), [AuthenticationMethod::HardwareKey], self.clock.time()).unwrap()
    }

    async fn bind(&self) -> Result<bool, Failure> {
        let begun = self.mfa.begin_registration(&SignedIn::assertion(alice()), contact(), &off()).await?;
        let Registration::Enroll(enroll) = begun else { return Ok(false) };
        let done = self.mfa.register_external(enroll.flow(), &self.checked(), &off()).await?;
        Ok(matches!(done, Registration::Registered(_)))
    }

    async fn by_passkey(&self) -> Result<bool, Failure> {
        let Login::Challenge(asked) = self.begin(&off()).await? else { return Ok(false) };
        let login = self.mfa.assert_external(asked.flow(), &self.checked(), &off()).await?;
        Ok(matches!(login, Login::Authenticated(_)))
    }

    fn exemption(&self) -> Exemption {
        let now = self.clock.time();
        Exemption::new("O. Petrova", "waits for a smartphone", now, now.saturating_add(Duration::from_secs(60)))
            .unwrap()
    }

    async fn exempt(&self) -> Result<bool, Failure> {
        let change = self.mfa.grant_exemption(&alice(), &self.exemption(), &admin()).await?;
        Ok(matches!(change, Change::Made { .. }))
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
async fn a08_every_store_call_fails_once_and_what_was_to_change_is_changed_as_a_whole_or_not() {
    use Operation::*;
    for (operation, calls) in [(Assertion, 4), (Binding, 4), (ByAdministrator, 2), (Exemption, 2), (Grace, 2)] {
        for fault in [Fault::Before, Fault::After] {
            let mut failures = 0;
            loop {
                let host = Host::new(fault);
                if operation == Assertion {
                    assert!(host.bind().await.unwrap());
                }
                host.store.fail_at(failures);
                let run = async {
                    match operation {
                        Assertion => host.by_passkey().await,
                        Binding => host.bind().await,
                        ByAdministrator => {
                            let (user, by) = (alice(), admin());
                            let bound = host.mfa.register_external_by_admin(&user, passkey(), &by, contact()).await?;
                            Ok(matches!(bound, Change::Made { .. }))
                        }
                        Exemption => host.exempt().await,
                        Grace => Ok(matches!(host.begin(&deferred()).await?, Login::Authenticated(_))),
                    }
                };
                match run.await {
                    Ok(done) => {
                        assert!(done, "{operation:?} without a fault");
                        break;
                    }
                    Err(error) => assert_store_failed::<()>(Err(error)),
                }
                host.store.fail_at(u64::MAX);
                // The write whose answer was lost.
                let written = failures + 1 == calls && fault == Fault::After;
                failures += 1;
                let status = host.mfa.status(&alice()).await.unwrap();
                match operation {
                    Assertion => {
                        assert_eq!(status.external[0].last_used_at.is_some(), written);
                        assert!(host.by_passkey().await.unwrap(), "a new login is not in its way");
                    }
                    Binding | ByAdministrator => {
                        assert_eq!((status.external.len(), status.ever_held_factor), (written.into(), written));
                    }
                    Exemption => assert_eq!(status.exemption, written.then(|| host.exemption())),
                    Grace => {
                        let at = host.clock.time();
                        host.clock.advance(Duration::from_secs(60));
                        let login = host.begin(&deferred()).await.unwrap();
                        let Login::Authenticated(passed) = login else { panic!("{login:?}") };
                        let begun = if written { at } else { host.clock.time() };
                        let until = begun.saturating_add(Duration::from_secs(14 * 24 * 60 * 60));
                        assert_eq!(passed.grace_until(), Some(until), "written once, seen or not");
                    }
                }
            }
            assert_eq!(failures, calls, "{operation:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_factor_whose_notice_is_not_sent_is_registered_all_the_same() {
    let host = Host::new(Fault::Before);
    host.outbox.set_fault(Some(MailFault::Unknown));
    assert!(host.bind().await.unwrap());
    host.outbox.set_fault(None);
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::FactorAdded { factor: passkey() }));
    assert!(host.by_passkey().await.unwrap());
}

#[tokio::test]
async fn without_the_time_nobody_is_in_grace_or_exempt() {
    let host = Host::new(Fault::Before);
    assert!(host.exempt().await.unwrap());
    host.clock.set_broken(true);
    for policy in [deferred(), with_ticket()] {
        assert!(matches!(host.begin(&policy).await, Err(Error::Clock)));
    }
    host.clock.set_broken(false);
    assert_eq!(host.mfa.status(&alice()).await.unwrap().grace, Grace::NotStarted);
    assert!(matches!(host.begin(&with_ticket()).await.unwrap(), Login::Authenticated(_)));
}
