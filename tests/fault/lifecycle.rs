//! Faults in what happens to factors after they are registered.

use factorgate::audit::EventKind;
use factorgate::device::DeviceId;
use factorgate::policy::Step;
use factorgate::recovery::RecoveryCodesLeft;
use factorgate::{Elevated, Session};

use super::*;

impl World {
    async fn new_codes(&self, elevated: &Elevated) -> Result<Vec<String>, Failure> {
        let new = self.mfa.elevated(elevated).new_recovery_codes().await?.unwrap();
        Ok(new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect())
    }

    async fn try_recover(&self, code: &str) -> Result<bool, Failure> {
        let asked = asked(self.try_begin(&app()).await?);
        Ok(is_in(&self.try_submit(asked.flow(), &app(), Action::RecoveryCode { code: code.into() }).await?))
    }

    /// Registers a device in place of `device`.
    async fn replace(&self, session: &Session, device: DeviceId, held: &Secret) -> Result<bool, Failure> {
        let asked = asked(self.mfa.profile(session).begin_registration().await?);
        let _ = self.try_app_code(asked.flow(), session, &self.code(held)).await?;
        let replace = Action::RegisterApp { replace: Some(device) };
        let enroll = enrolling(self.try_submit(asked.flow(), session, replace).await?);
        Ok(is_in(&self.try_confirm(asked.flow(), session, &self.code(&secret_of(&enroll))).await?))
    }

    async fn reset(&self) -> Result<String, Failure> {
        let ticket = self.mfa.admin(&admin()).reset(&alice(), &contact()).await?;
        Ok(ticket.expose_secret().expose_secret().to_owned())
    }

    async fn redeem(&self, ticket: &str) -> Result<bool, Failure> {
        let asked = asked(self.try_begin(&with_ticket()).await?);
        let redeem = Action::Ticket { code: ticket.into() };
        Ok(matches!(self.try_submit(asked.flow(), &with_ticket(), redeem).await?, Outcome::Enroll(_)))
    }

    async fn device(&self) -> Option<DeviceId> {
        let devices = self.device_ids().await;
        assert!(devices.len() < 2);
        devices.first().copied()
    }

    async fn left(&self) -> Option<RecoveryCodesLeft> {
        self.status().await.recovery_codes
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Recovery,
    Renewal,
    Replacement,
    Reset,
}

#[tokio::test]
async fn every_store_call_of_every_change_fails_once_and_the_change_is_made_as_a_whole_or_not() {
    use Operation::*;
    for fault in [Fault::Before, Fault::After] {
        // A load and a swap for each operation. What clears a notice is no part of the outcome.
        for (operation, calls) in [
            (Recovery, &[0, 1, 2, 3][..]),
            (Renewal, &[0, 1, 2, 3]),
            (Replacement, &[0, 1, 2, 3, 4, 5, 6, 7]),
            (Reset, &[0, 1, 4, 5, 6, 7]),
        ] {
            for call in calls.iter().copied().chain([u64::MAX]) {
                let world = World::new(fault);
                let secret = world.register().await;
                let (codes, device) = (world.recovery_codes(&secret).await, world.device().await.unwrap());
                let (session, elevated) = (world.session().await, world.elevated(&secret).await);
                world.store.fail_at(call);
                let run = async {
                    match operation {
                        Recovery => world.try_recover(&codes[0]).await,
                        Renewal => {
                            let new = world.new_codes(&elevated).await?;
                            let code = new[0].as_str().into();
                            Ok(world.mfa.profile(&session).confirm_recovery_codes(&code).await?.is_ok())
                        }
                        Replacement => world.replace(&session, device, &secret).await,
                        Reset => world.redeem(&world.reset().await?).await,
                    }
                };
                let result = run.await;
                world.store.fail_at(u64::MAX);
                if call == u64::MAX {
                    assert!(result.unwrap(), "{operation:?} without a fault");
                    continue;
                }
                assert_store_failed(result);
                // The write that the fault was told to lose, or the answer of which was lost.
                let last = calls.last() == Some(&call) && world.is_after();
                match operation {
                    Recovery => {
                        let left = if last { 9 } else { 10 };
                        assert_eq!(world.left().await, Some(RecoveryCodesLeft::Enough(left)));
                        assert_eq!(world.try_recover(&codes[0]).await.unwrap(), !last, "it is valid once, seen or not");
                        assert!(!world.try_recover(&codes[0]).await.unwrap());
                    }
                    // Either the old set is active or the new one, and never none.
                    Renewal => {
                        assert_eq!(world.left().await, Some(RecoveryCodesLeft::Enough(10)));
                        assert_eq!(world.try_recover(&codes[0]).await.unwrap(), !last);
                    }
                    Replacement => assert_eq!(world.device().await == Some(device), !last),
                    Reset => {
                        let gone = call > 1 || call == 1 && world.is_after();
                        assert_eq!((world.device().await.is_none(), world.left().await.is_none()), (gone, gone));
                        // The ticket was not seen, so another one is issued.
                        let again = world.reset().await.unwrap();
                        assert!(world.redeem(&again).await.unwrap());
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn recovery_code_whose_notice_is_not_delivered_completes_no_login_and_is_spent() {
    let world = World::new(Fault::Before);
    let secret = world.register().await;
    let codes = world.recovery_codes(&secret).await;
    world.outbox.set_fault(Some(MailFault::Refused));
    assert!(matches!(world.try_recover(&codes[0]).await, Err(Error::Mailer(_))));
    world.outbox.set_fault(None);
    assert!(!world.try_recover(&codes[0]).await.unwrap());
    assert!(world.try_recover(&codes[1]).await.unwrap(), "the next one is valid");
}

#[tokio::test]
async fn reset_is_made_and_its_ticket_returned_though_its_notice_is_not_delivered() {
    let world = World::new(Fault::Before);
    let secret = world.register().await;
    world.recovery_codes(&secret).await;
    world.outbox.set_fault(Some(MailFault::Unknown));
    let ticket = world.reset().await.unwrap();
    assert_eq!(world.events().last(), Some(&EventKind::MailUndelivered));
    assert_eq!((world.device().await, world.left().await), (None, None));
    assert_eq!(world.outbox.sent().last().unwrap().notice, Some(Notice::FactorsReset));
    world.outbox.set_fault(None);
    let asked = world.challenge(&with_ticket()).await;
    assert_eq!(asked.next(), [Step::Ticket]);
    assert!(matches!(world.ticket(asked.flow(), &with_ticket(), &ticket).await, Outcome::Enroll(_)));
}

#[tokio::test]
async fn without_randomness_there_are_no_recovery_codes() {
    let world = World::new(Fault::Before);
    let secret = world.register().await;
    let elevated = world.elevated(&secret).await;
    let before = world.store.inner.record(&alice());
    world.random.set_broken(true);
    assert!(matches!(world.new_codes(&elevated).await, Err(Error::Randomness(_))));
    world.random.set_broken(false);
    assert_eq!(world.store.inner.record(&alice()), before);
    assert!(world.new_codes(&elevated).await.is_ok());
}
