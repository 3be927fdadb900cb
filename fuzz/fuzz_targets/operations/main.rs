//! Any sequence of requests by a user, a thief with the password and an administrator: nobody gets in without what is
//! asked for, no code is good twice, no more is guessed than the budget allows, and no session outlives its end.
#![no_main]

mod account;
mod flow;
mod model;
mod steps;
mod world;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

use crate::world::World;

/// What is done next. The indices choose among what there is; a step is taken in the flow that was used last.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Act {
    Advance(u16),
    AdministratorIssuesTicket,
    AdministratorRegistersExternal { factor: u8 },
    AdministratorResets,
    AssertExternal { factor: u8, secs_ago: i8 },
    Begin { policy: u8, trusted: bool },
    BeginEnrollment,
    BeginRegistration { policy: u8, in_session: bool },
    BeginStepUp { policy: u8, session: u8, freshness: u8 },
    CheckSession { session: u8 },
    ConfirmEnrollment { right: bool },
    FailExternal { factor: u8 },
    GrantExemption { from_hours: i8, hours: u8 },
    Import { devices: u8, plain: u8, hashed: u8, last_step_off: i8 },
    MakeRecoveryCodes { confirm: bool },
    PermitAddressChange,
    RedeemTicket { right: bool },
    RegisterExternal { factor: u8, secs_ago: i8 },
    RemoveDevice { device: u8, by: u8 },
    RemoveDeviceElevated { device: u8 },
    RemoveExternal { factor: u8 },
    ReplaceDevice { device: u8 },
    Resume { policy: u8 },
    RevokeLogins,
    SendEmail,
    SwitchFlow(u8),
    Trust,
    VerifyApp { device: u8, steps_off: i8, right: bool },
    VerifyAppOf { device: u8, named: u8, steps_off: i8 },
    VerifyEmail { right: bool },
    VerifyLegacyRecovery { code: u8, right: bool },
    VerifyRecovery { code: u8, right: bool },
    WearOut { what: u8 },
    WithdrawExemption,
}

impl Act {
    /// As many wrong guesses at one factor as disable it, with a wait after each lock.
    fn worn_out(what: u8, policy: usize) -> impl Iterator<Item = Self> {
        let guess = match what % 4 {
            0 => Self::VerifyApp { device: 0, steps_off: 0, right: false },
            1 => Self::FailExternal { factor: what / 4 },
            2 => Self::VerifyLegacyRecovery { code: 0, right: false },
            _ => Self::VerifyEmail { right: false },
        };
        (0..21).flat_map(move |_| {
            let begun = [Self::Advance(3700), Self::Begin { policy: policy as u8, trusted: false }];
            begun.into_iter().chain([guess; 5])
        })
    }
}

async fn run(bytes: &[u8]) {
    let (mut world, mut rest) = (World::new(), Unstructured::new(bytes));
    let mut worn_out = false;
    for _ in 0..100 {
        let Ok(act) = Act::arbitrary(&mut rest) else { break };
        match act {
            // Once, for it takes long.
            Act::WearOut { what } if !worn_out => {
                worn_out = true;
                for act in Act::worn_out(what, world.policy) {
                    world.act(act).await;
                }
            }
            act => world.act(act).await,
        }
        world.compare().await;
        if rest.is_empty() {
            break;
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(bytes));
});
