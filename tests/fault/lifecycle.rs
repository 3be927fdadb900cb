//! Faults in what happens to factors after they are registered.

use factorgate::policy::Step;
use factorgate::{
    Administrator, Change, DeviceId, EventKind, NewRecoveryCodes, Notice, RecoveryCode, RecoveryCodes,
    RecoveryCodesLeft, RegistrationRef,
};

use super::*;

fn session() -> SignedIn {
    SignedIn::assertion(alice())
}

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn with_ticket() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap()
}

fn first(codes: &RecoveryCodes) -> &RecoveryCode {
    codes.iter().next().unwrap()
}

impl Host {
    async fn new_codes(&self, held: &Secret) -> Result<NewRecoveryCodes, Failure> {
        match self.mfa.begin_recovery_codes(&session(), &self.code(held)).await? {
            Change::Made { value: new, .. } => Ok(new),
            other => panic!("{other:?}"),
        }
    }

    async fn recovery_codes(&self, held: &Secret) -> RecoveryCodes {
        let new = self.new_codes(held).await.unwrap();
        let done = self.mfa.confirm_recovery_codes(&session(), first(&new.codes), contact()).await.unwrap();
        assert!(matches!(done, Change::Made { .. }), "{done:?}");
        self.clock.advance(Duration::from_secs(30));
        new.codes
    }

    async fn recover(&self, code: &RecoveryCode) -> Result<bool, Failure> {
        let Login::Challenge(asked) = self.begin(&app()).await? else { panic!() };
        let login = self.mfa.verify_recovery_code(asked.flow(), code, &app()).await?;
        Ok(matches!(login, Login::Authenticated(_)))
    }

    /// A registration in place of `device`, which waits for its code.
    async fn replacement(&self, device: DeviceId, held: &Secret) -> Result<Enroll<RegistrationRef>, Failure> {
        let Registration::Challenge(asked) = self.mfa.begin_registration(&session(), contact(), &off()).await? else {
            panic!()
        };
        let _ = self.mfa.verify_app_code(asked.flow(), &self.code(held), &off()).await?;
        match self.mfa.replace_device(asked.flow(), device, &off()).await? {
            Registration::Enroll(enroll) => Ok(enroll),
            other => panic!("{other:?}"),
        }
    }

    async fn device(&self) -> Option<DeviceId> {
        let devices = self.mfa.devices(&alice()).await.unwrap();
        assert!(devices.len() < 2);
        devices.first().map(|device| device.id)
    }

    async fn left(&self) -> Option<RecoveryCodesLeft> {
        self.mfa.status(&alice()).await.unwrap().recovery_codes
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
async fn a08_every_store_call_of_every_change_fails_once_and_the_change_is_made_as_a_whole_or_not() {
    use Operation::*;
    for (operation, calls) in [(Recovery, 4), (Renewal, 4), (Replacement, 8), (Reset, 6)] {
        for fault in [Fault::Before, Fault::After] {
            let mut failures = 0;
            loop {
                let host = Host::new(fault);
                let secret = host.register().await;
                let (codes, device) = (host.recovery_codes(&secret).await, host.device().await.unwrap());
                host.store.fail_at(failures);
                let run = async {
                    match operation {
                        Recovery => host.recover(first(&codes)).await,
                        Renewal => {
                            let new = host.new_codes(&secret).await?;
                            let code = first(&new.codes);
                            let done = host.mfa.confirm_recovery_codes(&session(), code, contact()).await?;
                            Ok(matches!(done, Change::Made { .. }))
                        }
                        Replacement => {
                            let enroll = host.replacement(device, &secret).await?;
                            let (code, name) = (host.code(&secret_of(&enroll)), DeviceName::default());
                            let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &off()).await?;
                            Ok(matches!(done, Registration::Registered(_)))
                        }
                        Reset => {
                            let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await?;
                            let Login::Challenge(asked) = host.begin(&with_ticket()).await? else { panic!() };
                            let login = host.mfa.redeem_ticket(asked.flow(), &reset.ticket, &with_ticket()).await?;
                            Ok(matches!(login, Login::Enroll(_)))
                        }
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
                // The write that the fault was told to lose, or the answer of which was lost.
                let last = failures + 1 == calls && fault == Fault::After;
                failures += 1;
                match operation {
                    Recovery => {
                        let left = if last { 9 } else { 10 };
                        assert_eq!(host.left().await, Some(RecoveryCodesLeft::Enough(left)));
                        assert_eq!(host.recover(first(&codes)).await.unwrap(), !last, "it is good once, seen or not");
                        assert!(!host.recover(first(&codes)).await.unwrap());
                    }
                    // Either the old set is in force or the new one, and never none.
                    Renewal => {
                        assert_eq!(host.left().await, Some(RecoveryCodesLeft::Enough(10)));
                        assert_eq!(host.recover(first(&codes)).await.unwrap(), !last);
                    }
                    Replacement => assert_eq!(host.device().await == Some(device), !last),
                    Reset => {
                        let gone = failures > 2 || failures == 2 && fault == Fault::After;
                        assert_eq!((host.device().await.is_none(), host.left().await.is_none()), (gone, gone));
                        // The ticket was not seen, so it is made anew.
                        let again = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
                        let Login::Challenge(asked) = host.begin(&with_ticket()).await.unwrap() else { panic!() };
                        let login = host.mfa.redeem_ticket(asked.flow(), &again.ticket, &with_ticket()).await.unwrap();
                        assert!(matches!(login, Login::Enroll(_)));
                    }
                }
            }
            assert_eq!(failures, calls, "{operation:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_recovery_code_whose_notice_is_not_sent_lets_nobody_in_and_is_spent() {
    let host = Host::new(Fault::Before);
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    host.outbox.set_fault(Some(MailFault::Refused));
    assert!(matches!(host.recover(first(&codes)).await, Err(Error::Mailer(_))));
    host.outbox.set_fault(None);
    assert!(!host.recover(first(&codes)).await.unwrap());
    assert!(host.recover(codes.iter().nth(1).unwrap()).await.unwrap(), "the next one is good");
}

#[tokio::test]
async fn what_a_reset_took_stays_gone_and_its_ticket_is_given_though_its_notice_is_not_sent() {
    let host = Host::new(Fault::Before);
    let secret = host.register().await;
    host.recovery_codes(&secret).await;
    host.outbox.set_fault(Some(MailFault::Unknown));
    let issued = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert_eq!(issued.events.last().unwrap().kind, EventKind::MailUndelivered);
    assert_eq!((host.device().await, host.left().await), (None, None));
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::FactorsReset));
    host.outbox.set_fault(None);
    let Login::Challenge(asked) = host.begin(&with_ticket()).await.unwrap() else { panic!() };
    assert_eq!(asked.next(), [Step::Ticket]);
    let login = host.mfa.redeem_ticket(asked.flow(), &issued.ticket, &with_ticket()).await.unwrap();
    assert!(matches!(login, Login::Enroll(_)));
}

#[tokio::test]
async fn without_randomness_there_are_no_recovery_codes_and_no_code_is_spent() {
    let host = Host::new(Fault::Before);
    let secret = host.register().await;
    let before = host.store.inner.record(&alice());
    host.random.set_broken(true);
    assert!(matches!(host.new_codes(&secret).await, Err(Error::Randomness(_))));
    host.random.set_broken(false);
    assert_eq!(host.store.inner.record(&alice()), before);
    assert!(host.new_codes(&secret).await.is_ok());
}
