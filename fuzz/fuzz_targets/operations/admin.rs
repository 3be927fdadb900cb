//! The clock, the mail system, the host and its administrators.

use std::time::Duration;

use factorgate::admin::Ticket;
use factorgate::audit::EventKind;
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, TimeStep};
use factorgate::policy::Exemption;
use factorgate::testing::MailFault;
use factorgate::{Refusal, Timestamp};

use crate::kept::Given;
use crate::ledger::Operation;
use crate::model::{App, Model, factors, policies, totp};
use crate::world::{World, root};

/// How far the clock is moved, in seconds.
const MOVES: [u64; 12] = [1, 5, 9, 31, 59, 61, 299, 3700, 601, 30, 90_000, 40 * 86_400];

impl World {
    pub fn advance(&mut self, by: u8) {
        self.clock.advance(Duration::from_secs(MOVES[usize::from(by) % MOVES.len()]));
    }

    /// A clock that was ahead is set right, or one that is right is set wrong.
    pub fn set_back(&mut self, by: u8) {
        let by = MOVES[usize::from(by) % MOVES.len()];
        self.clock.set(self.now().as_secs() - by);
    }

    pub fn change_policy(&mut self, to: u8) {
        self.policy = usize::from(to) % policies().len();
    }

    pub fn fail_mail(&mut self, how: u8) {
        self.fault = [None, Some(MailFault::Refused), Some(MailFault::Unknown)][usize::from(how) % 3];
        self.post.set_fault(self.fault);
    }

    pub async fn deliver_owed(&mut self) {
        let before = self.ledger.delivered;
        let sent = self.mfa.maintenance().send_owed_notices(&self.user).await.unwrap();
        self.follow(Operation::default());
        assert_eq!(u64::from(sent), self.ledger.delivered - before, "another number of notices was sent");
    }

    /// Once the mail system works, everything that is owed arrives within two minutes.
    pub async fn deliver_everything(&mut self) {
        self.fail_mail(0);
        self.clock.advance(Duration::from_secs(121));
        self.deliver_owed().await;
        assert!(self.ledger.owed.is_empty(), "notices that never arrive: {:?}", self.ledger.owed);
        self.compare().await;
    }

    fn op(&self) -> Operation {
        Operation { address: self.row.address, ..Operation::default() }
    }

    pub async fn issue_ticket(&mut self) {
        let ticket = self.mfa.admin(&root()).issue_ticket(&self.user).await.unwrap();
        self.follow(self.op());
        self.give(&ticket);
    }

    pub async fn reset(&mut self) {
        let ticket = self.mfa.admin(&root()).reset(&self.user, &self.contact()).await.unwrap();
        self.follow(self.op());
        self.give(&ticket);
        self.model.apps.clear();
        self.model.external.clear();
        self.model.email_failures = 0;
        self.model.forget_recovery_without_device();
    }

    fn give(&mut self, ticket: &Ticket) {
        let text = ticket.expose_secret().expose_secret().to_owned();
        self.ticket = Some(Given { at: self.now(), text, used: false });
    }

    /// Each import has codes and secrets of its own.
    pub async fn import(&mut self, devices: u8, plain: u8, hashed: u8, last_step_off: u8) {
        self.imports = self.imports.wrapping_add(1);
        let number = self.imports;
        let secret = |at: u8| Secret::from_bytes(&[[number; 10], [at; 10]].concat()).unwrap();
        let last_step = self.step().saturating_add_signed((last_step_off as i8).into());
        let device = |at| ImportedDevice::new(secret(at), totp()).last_step(TimeStep::new(last_step));
        let devices = 1 + devices % 5;
        let plain: Vec<_> = (0..plain % 4).map(|at| format!("plain-{number}-{at}")).collect();
        let hashed: Vec<_> = (0..hashed % 4).map(|at| format!("hashed-{number}-{at}")).collect();
        let import = (1..devices).try_fold(Import::new(device(0)), |import, at| import.with_device(device(at)));
        let import = plain.iter().fold(import.unwrap(), |import, code| {
            import.with_recovery_code(LegacyRecoveryCode::parse(code).unwrap()).unwrap()
        });
        let import = hashed
            .iter()
            .fold(import, |import, code| import.with_hashed_recovery_code(&format!("hash:{code}")).unwrap());
        let imported = self.mfa.admin(&root()).import(&self.user, &import).await.unwrap();
        let events = self.follow(self.op());
        if self.is_refused_for_good(imported) {
            return;
        }
        assert!(!self.model.ever_had, "an import over a factor");
        let added = events.iter().filter_map(|event| match event.kind {
            EventKind::DeviceAdded { device } => Some(device),
            _ => None,
        });
        let made = |(at, id)| App { failures: 0, id, last_step, secret: secret(at), used: [last_step].into() };
        self.model.apps = (0..).zip(added).map(made).collect();
        assert_eq!(self.model.apps.len(), usize::from(devices));
        self.model.set_recovery(plain.into_iter().chain(hashed));
        self.model.ever_had = true;
    }

    /// Nothing is stored of a user who was erased.
    fn is_refused_for_good(&self, changed: Result<(), Refusal>) -> bool {
        if self.model.erased {
            assert_eq!(changed, Err(Refusal::AccountChanged), "something was stored of a user who was erased");
        }
        changed.is_err()
    }

    pub async fn exempt(&mut self, from_hours: u8, hours: u8) {
        let hour = |hours: i64| self.now().as_secs().saturating_add_signed(hours * 3600);
        let from = Timestamp::from_secs(hour((from_hours as i8).into()));
        let until = from.saturating_add(Duration::from_secs(3600 * (1 + u64::from(hours))));
        let exemption = Exemption::new("root", "waits for a smartphone", from, until).unwrap();
        let granted = self.mfa.admin(&root()).exempt(&self.user, Some(&exemption)).await.unwrap();
        self.follow(self.op());
        if !self.is_refused_for_good(granted) {
            self.model.exemption = Some((from, until));
        }
    }

    pub async fn withdraw_exemption(&mut self) {
        self.mfa.admin(&root()).exempt(&self.user, None).await.unwrap().unwrap();
        self.follow(self.op());
        let now = self.now();
        // One that has ended is swept by the next write.
        self.model.exemption = self.model.exemption.filter(|(_, until)| *until <= now);
    }

    pub async fn register_external_by_admin(&mut self, factor: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        let registered = self.mfa.admin(&root()).register_external(&self.user, factor, &self.contact()).await.unwrap();
        self.follow(self.op());
        if !self.is_refused_for_good(registered) {
            assert!(self.model.apps.is_empty() && self.model.external.is_empty(), "a factor beside one, unproved");
            self.model.hold(factor, self.now());
        }
    }

    /// Nothing is written of a user who was erased.
    pub async fn unblock(&mut self) {
        self.mfa.admin(&root()).unblock(&self.user, &self.contact()).await.unwrap();
        self.follow(Operation { restores: !self.model.erased, ..self.op() });
    }

    pub async fn end_sessions(&mut self) {
        self.mfa.admin(&root()).end_sessions(&self.user).await.unwrap();
        self.follow(self.op());
    }

    /// The host deletes the row, and the user, or an administrator, what is stored here.
    pub async fn erase(&mut self, by_user: bool) {
        if by_user {
            let Some(fresh) = self.elevated.take() else { return };
            self.mfa.elevated(&fresh.elevated).erase_user().await.unwrap();
        } else {
            self.mfa.admin(&root()).erase_user(&self.user).await.unwrap();
        }
        self.follow(self.op());
        self.forget();
        self.model.erased = true;
    }

    fn forget(&mut self) {
        self.model = Model { epoch: self.model.epoch, ..Model::default() };
        self.held_back = None;
        self.ticket = None;
        self.permit = None;
    }

    /// After the longest time that a session lasts; the host deletes the record, and the id is free again.
    pub async fn forget_tombstone(&mut self) {
        let forgotten = self.mfa.maintenance().forget_tombstone(&self.user).await.unwrap();
        self.follow(self.op());
        assert_eq!(forgotten, self.model.erased, "only a tombstone is forgotten");
        if forgotten {
            self.forget();
            self.model.epoch = 0;
            self.ledger.start_anew();
            self.flows.clear();
            self.sessions.clear();
            (self.elevated, self.held) = (None, None);
            self.agents.clear();
        }
    }
}
