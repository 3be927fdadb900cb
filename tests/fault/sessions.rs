//! Faults in trust, step-ups and what is done in a session.

use factorgate::browser::{BrowserName, BrowserToken};
use factorgate::login::StepUp;
use factorgate::{Elevated, Session, SessionClaims};

use super::*;

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

impl World {
    /// A user with a device, who has just signed in by a code of it.
    async fn logged_in(fault: Fault) -> (Self, Secret, Session) {
        let world = Self::new(fault);
        let secret = world.register().await;
        let claims = world.log_in(&secret, &trusting()).await;
        let session = world.session_of(&claims, &trusting()).await;
        (world, secret, session)
    }

    async fn trust(&self, session: &Session) -> Result<BrowserToken, Failure> {
        let name = BrowserName::new("Firefox").unwrap();
        Ok(self.mfa.profile(session).trust_browser(&name).await?.unwrap())
    }

    async fn try_begin_from(&self, token: &BrowserToken) -> Result<Outcome<Login>, Failure> {
        let primary = PrimaryVerified::assertion(self.row()).from_browser(Some(&token.to_cookie()));
        self.mfa.begin_login(primary, &trusting()).await
    }

    async fn try_step_up(&self, session: &Session, secret: &Secret) -> Result<Elevated, Failure> {
        let asked = asked::<StepUp>(self.mfa.profile(session).begin_step_up(Duration::ZERO).await?);
        Ok(done(self.try_app_code(asked.flow(), session, &self.code(secret)).await?))
    }

    async fn session_now(&self, claims: &SessionClaims) -> Session {
        self.session_of(claims, &off()).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Trust,
    Replace,
    StepUp,
    Remove,
    Address,
    Revoke,
    Password,
    Elsewhere,
    Check,
}

#[tokio::test]
async fn every_store_call_of_a_session_fails_once_and_nothing_is_gained() {
    use Operation::*;
    for fault in [Fault::Before, Fault::After] {
        let fails = async |operation: Operation, call| {
            let (world, secret, session) = World::logged_in(fault).await;
            let token = world.trust(&session).await.unwrap();
            let session = world.session_now(session.claims()).await;
            let device = world.device_ids().await[0];
            let trusted = world.status().await.browsers[0].id;
            let ready = match operation {
                Remove | Address => Some(world.elevated_in(&session, &secret).await),
                _ => None,
            };
            world.store.fail_at(call);
            let profile = world.mfa.profile(&session);
            let dangerous = || world.mfa.elevated(ready.as_ref().unwrap());
            let result = match operation {
                Trust => world.trust(&world.session_of(session.claims(), &trusting()).await).await.map(drop),
                Replace => world.try_begin_from(&token).await.map(|login| assert!(is_in(&login))),
                StepUp => world.try_step_up(&session, &secret).await.map(drop),
                Remove => dangerous().remove_device(device).await.map(|removed| assert!(removed.is_ok())),
                Address => dangerous().permit_address_change().await.map(|permit| assert!(permit.is_ok())),
                Revoke => profile.revoke_browser(trusted).await.map(|revoked| assert!(revoked.is_ok())),
                Password => profile.password_changed(&world.row()).await.map(|changed| assert!(changed.is_ok())),
                Elsewhere => profile.sign_out_elsewhere().await.map(|ended| assert!(ended.is_ok())),
                Check => {
                    let check = world.mfa.check_session(session.claims(), &world.row(), &off()).await;
                    check.map(|check| assert!(check.session().is_ok()))
                }
            };
            result.map_err(|error| assert_store_failed::<()>(Err(error))).is_err()
        };
        for (operation, calls) in [
            (Replace, 2),
            (StepUp, 4),
            (Remove, 2),
            (Address, 2),
            (Revoke, 2),
            (Password, 2),
            (Elsewhere, 2),
            (Check, 1),
        ] {
            for call in 0..calls {
                assert!(fails(operation, call).await, "{operation:?}, call {call}, {fault:?}");
            }
            assert!(!fails(operation, calls).await, "{operation:?} without a fault");
        }
        // The session is looked at first.
        for call in 1..3 {
            assert!(fails(Trust, call).await, "call {call}, {fault:?}");
        }
        assert!(!fails(Trust, 3).await);
    }
}

#[tokio::test]
async fn browser_that_never_got_its_next_token_loses_the_trust_and_not_the_account() {
    let (world, secret, session) = World::logged_in(Fault::After).await;
    let token = world.trust(&session).await.unwrap();
    world.store.fail_at(1);
    assert_store_failed(world.try_begin_from(&token).await);
    // At once, it is accepted as a second tab would be.
    let again = done(world.try_begin_from(&token).await.unwrap());
    assert!(again.browser().is_none());
    // Later it could be a copy.
    world.wait(10);
    let asked = asked(world.try_begin_from(&token).await.unwrap());
    let claims = world.open(done(world.app_code(asked.flow(), &trusting(), &world.code(&secret)).await));
    assert!(world.trust(&world.session_of(&claims, &trusting()).await).await.is_ok());

    // If the write was not made, the token is as valid as before.
    let (world, _, session) = World::logged_in(Fault::Before).await;
    let token = world.trust(&session).await.unwrap();
    world.store.fail_at(1);
    assert_store_failed(world.try_begin_from(&token).await);
    world.wait(10);
    assert!(done(world.try_begin_from(&token).await.unwrap()).browser().is_some());
}

#[tokio::test]
async fn code_of_a_step_up_is_spent_by_the_write_whose_answer_was_lost() {
    let (world, secret, session) = World::logged_in(Fault::After).await;
    let session = world.session_now(session.claims()).await;
    world.store.fail_at(3);
    assert_store_failed(world.try_step_up(&session, &secret).await.map(drop));
    let asked = world.step_up_asked(&session).await;
    let refused = world.app_code(asked.flow(), &session, &world.code(&secret)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));

    // So is the step-up by the change that it was for.
    world.wait(30);
    let elevated = world.try_step_up(&session, &secret).await.unwrap();
    let (device, dangerous) = (world.device_ids().await[0], world.mfa.elevated(&elevated));
    world.store.fail_at(1);
    assert_store_failed(dangerous.remove_device(device).await.map(drop));
    assert_eq!(dangerous.remove_device(device).await.unwrap().err(), Some(Refusal::StepUpExpired));
    assert!(world.device_ids().await.is_empty());
}
