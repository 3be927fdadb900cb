//! What can happen, as bytes: one for the kind, and one for each of its fields. `examples/seeds.rs` writes what this reads.

use crate::world::World;

macro_rules! acts {
    ($($name:ident $({ $($field:ident),* })?;)*) => {
        /// What happens next. The fields choose among what there is; a step is taken in the flow that was used last.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act {
            $($name $({ $($field: u8),* })?,)*
        }

        impl Act {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<Self> {
                let name = Self::NAMES[usize::from(bytes.next()?) % Self::NAMES.len()];
                $(if name == stringify!($name) {
                    return Some(Self::$name $({ $($field: bytes.next()?),* })?);
                })*
                None
            }

            #[allow(dead_code, reason = "for the seeds")]
            pub fn write(self, out: &mut Vec<u8>) {
                let mut code = 0;
                $(
                    if let Self::$name $({ $($field),* })? = self {
                        out.extend([code, $($($field),*)?]);
                        return;
                    }
                    code += 1;
                )*
                let _ = code;
            }
        }
    };
}

acts! {
    // The clock, the policy, the mail system.
    Advance { by };
    SetBack { by };
    ChangePolicy { to };
    FailMail { how };
    DeliverOwed;
    // The host and its administrators.
    ChangeAddress { to, reported };
    ChangePassword { reported, session };
    EndSessions;
    Erase { by_user };
    Exempt { from_hours, hours };
    ForgetTombstone;
    Import { devices, plain, hashed, last_step_off };
    IssueTicket;
    RegisterExternalByAdmin { factor };
    Reset;
    WithdrawExemption;
    // Flows.
    Begin { browser };
    BeginOfStaleRow { row };
    BeginCompletion { session };
    BeginRegistration { session };
    BeginStepUp { session, freshness };
    Resume;
    SwitchFlow { to };
    UseOtherSession;
    Cancel;
    AppCode { device, steps_off, right };
    AppCodeOf { device, named, steps_off };
    ConfirmApp { right };
    EmailCode { which };
    External { factor, secs_ago };
    ExternalFailed { factor };
    Malformed { what };
    RecoveryCode { code, right };
    RegisterApp { replace };
    SendEmail;
    Ticket { right };
    // Sessions, the profile, and what needs a fresh proof.
    CheckSession { session };
    CheckSessionOfStaleRow { session, row };
    HoldSession { session };
    MakeRecoveryCodes { confirm };
    PermitAddressChange;
    FinishAddressChange { to };
    RaiseSession;
    RemoveDevice { device };
    RemoveExternal { factor };
    RenameDevice { device };
    RevokeBrowser { browser, session };
    SignOutElsewhere { session };
    Trust { session };
    // As many wrong guesses at one factor as disable it.
    WearOut { what };
    // An administrator again.
    Unblock;
}

impl Act {
    fn worn_out(what: u8) -> impl Iterator<Item = Self> {
        let guess = match what % 4 {
            0 => Self::AppCode { device: 0, steps_off: 0, right: 0 },
            1 => Self::ExternalFailed { factor: what / 4 },
            2 => Self::RecoveryCode { code: 0, right: 0 },
            _ => Self::EmailCode { which: 0 },
        };
        (0..21).flat_map(move |_| {
            // After each lock, and with all guesses again.
            [Self::Advance { by: 7 }, Self::Unblock, Self::Begin { browser: 0 }].into_iter().chain([guess; 5])
        })
    }
}

/// Reads acts and plays them; at the end every notice that is owed arrives.
pub async fn run(bytes: &[u8]) -> World {
    let (mut world, mut bytes) = (World::new(), bytes.iter().copied());
    let mut worn_out = false;
    for _ in 0..120 {
        let Some(act) = Act::read(&mut bytes) else { break };
        match act {
            // Once, because it takes long.
            Act::WearOut { .. } if worn_out => {}
            Act::WearOut { what } => {
                worn_out = true;
                for act in Act::worn_out(what) {
                    play(&mut world, act).await;
                }
            }
            act => play(&mut world, act).await,
        }
    }
    world.deliver_everything().await;
    world
}

async fn play(world: &mut World, act: Act) {
    match act {
        Act::Advance { by } => world.advance(by),
        Act::SetBack { by } => world.set_back(by),
        Act::ChangePolicy { to } => world.change_policy(to),
        Act::FailMail { how } => world.fail_mail(how),
        Act::DeliverOwed => world.deliver_owed().await,
        Act::ChangeAddress { to, reported } => world.change_address(to, reported).await,
        Act::ChangePassword { reported, session } => world.change_password(reported, session).await,
        Act::EndSessions => world.end_sessions().await,
        Act::Erase { by_user } => world.erase(by_user & 1 == 1).await,
        Act::Exempt { from_hours, hours } => world.exempt(from_hours, hours).await,
        Act::ForgetTombstone => world.forget_tombstone().await,
        Act::Import { devices, plain, hashed, last_step_off } => {
            world.import(devices, plain, hashed, last_step_off).await
        }
        Act::IssueTicket => world.issue_ticket().await,
        Act::RegisterExternalByAdmin { factor } => world.register_external_by_admin(factor).await,
        Act::Reset => world.reset().await,
        Act::WithdrawExemption => world.withdraw_exemption().await,
        Act::Begin { browser } => world.begin(None, browser).await,
        Act::BeginOfStaleRow { row } => world.begin(Some(row), 0).await,
        Act::BeginCompletion { session } => world.begin_completion(session).await,
        Act::BeginRegistration { session } => world.begin_registration(session).await,
        Act::BeginStepUp { session, freshness } => world.begin_step_up(session, freshness).await,
        Act::Resume => world.resume().await,
        Act::SwitchFlow { to } => world.switch_flow(to),
        Act::UseOtherSession => world.other_session = true,
        Act::Cancel => world.cancel().await,
        Act::AppCode { device, steps_off, right } => world.app_code(device, None, steps_off, right & 1 == 1).await,
        Act::AppCodeOf { device, named, steps_off } => world.app_code(device, Some(named), steps_off, true).await,
        Act::ConfirmApp { right } => world.confirm_app(right & 1 == 1).await,
        Act::EmailCode { which } => world.email_code(which).await,
        Act::External { factor, secs_ago } => world.external(factor, secs_ago).await,
        Act::ExternalFailed { factor } => world.external_failed(factor).await,
        Act::Malformed { what } => world.malformed(what).await,
        Act::RecoveryCode { code, right } => world.recovery_code(code, right).await,
        Act::RegisterApp { replace } => world.register_app(replace).await,
        Act::SendEmail => world.send_email().await,
        Act::Ticket { right } => world.redeem_ticket(right & 1 == 1).await,
        Act::CheckSession { session } => world.check_session(session).await,
        Act::CheckSessionOfStaleRow { session, row } => world.check_session_of_stale_row(session, row).await,
        Act::HoldSession { session } => world.hold_session(session).await,
        Act::MakeRecoveryCodes { confirm } => world.make_recovery_codes(confirm).await,
        Act::PermitAddressChange => world.permit_address_change().await,
        Act::FinishAddressChange { to } => world.finish_address_change(to).await,
        Act::RaiseSession => world.raise_session().await,
        Act::RemoveDevice { device } => world.remove_device(device).await,
        Act::RemoveExternal { factor } => world.remove_external(factor).await,
        Act::RenameDevice { device } => world.rename_device(device).await,
        Act::RevokeBrowser { browser, session } => world.revoke_browser(browser, session).await,
        Act::SignOutElsewhere { session } => world.sign_out_elsewhere(session).await,
        Act::Trust { session } => world.trust(session).await,
        Act::Unblock => world.unblock().await,
        // Played before.
        Act::WearOut { .. } => {}
    }
    world.compare().await;
}
