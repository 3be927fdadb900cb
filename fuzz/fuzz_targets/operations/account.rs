//! What is done outside of a flow: by an administrator, from the profile, and with a session.

use std::time::Duration;

use factorgate::moving::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::TimeStep;
use factorgate::policy::Exemption;
use factorgate::{
    AddressChange, Assurance, BrowserName, Change, Event, EventKind, Factor, Imported, IssuedTicket, RecoveryCode,
    Removal, Secret, Session, SessionClaims, SignedIn, Timestamp, Trust,
};

use crate::flow::{is_accepted, is_judged_wrong};
use crate::model::{App, factors, is_worn_out, totp};
use crate::world::{Given, World, contact, root};

impl World {
    pub async fn issue_ticket(&mut self) {
        let issued = self.mfa.issue_ticket(&self.user, &root()).await.unwrap();
        self.given(issued);
    }

    pub async fn reset(&mut self) {
        let issued = self.mfa.reset_by_admin(&self.user, &root(), contact()).await.unwrap();
        self.given(issued);
        self.model.apps.clear();
        self.model.external.clear();
        self.model.email_failures = 0;
        self.model.forget_recovery_without_device();
        self.wrong = 0;
    }

    fn given(&mut self, issued: IssuedTicket) {
        self.observe(&issued.events);
        self.ticket = Some(Given { at: self.clock.time(), ticket: issued.ticket, used: false });
    }

    /// Each import has codes and secrets of its own.
    pub async fn import(&mut self, devices: u8, plain: u8, hashed: u8, last_step_off: i8) {
        self.imports = self.imports.wrapping_add(1);
        let number = self.imports;
        let secret = |at: u8| Secret::from_bytes(&[[number; 10], [at; 10]].concat()).unwrap();
        let last_step = self.step().saturating_add_signed(last_step_off.into());
        let device = |at| ImportedDevice::new(secret(at), totp()).last_step(TimeStep::new(last_step));
        let devices = 1 + devices % 3;
        let (plain, hashed) = ((0..plain % 4).map(|at| format!("plain-{number}-{at}")), 0..hashed % 4);
        let (plain, hashed): (Vec<_>, Vec<_>) =
            (plain.collect(), hashed.map(|at| format!("hashed-{number}-{at}")).collect());
        let import = (1..devices).try_fold(Import::new(device(0)), |import, at| import.with_device(device(at)));
        let import = plain.iter().fold(import.unwrap(), |import, code| {
            import.with_recovery_code(LegacyRecoveryCode::parse(code).unwrap()).unwrap()
        });
        let import = hashed
            .iter()
            .fold(import, |import, code| import.with_hashed_recovery_code(&format!("hash:{code}")).unwrap());
        let Imported::Made { events } = self.mfa.import(&self.user, &import, &root()).await.unwrap() else { return };
        assert!(!self.model.ever_held, "an import over a factor");
        self.observe(&events);
        let added = events.iter().filter_map(|event| match event.kind {
            EventKind::DeviceAdded { device } => Some(device),
            _ => None,
        });
        // Whatever is not later than the last step is used up.
        let used = last_step.saturating_sub(300)..=last_step;
        self.model.apps = (0..)
            .zip(added)
            .map(|(at, id)| App { failures: 0, id, secret: secret(at), used: used.clone().collect() })
            .collect();
        assert_eq!(self.model.apps.len(), usize::from(devices));
        self.model.set_recovery(plain.into_iter().chain(hashed));
        self.model.ever_held = true;
    }

    pub async fn grant_exemption(&mut self, from_hours: i8, hours: u8) {
        let hour = |hours: i64| self.clock.time().as_secs().saturating_add_signed(hours * 3600);
        let from = Timestamp::from_secs(hour(from_hours.into()));
        let until = from.saturating_add(Duration::from_secs(3600 * (1 + u64::from(hours))));
        let exemption = Exemption::new("root", "waits for a smartphone", from, until).unwrap();
        if let Change::Made { events, .. } = self.mfa.grant_exemption(&self.user, &exemption, &root()).await.unwrap() {
            self.observe(&events);
            self.model.exemption = Some((from, until));
        }
    }

    pub async fn withdraw_exemption(&mut self) {
        let events = self.mfa.withdraw_exemption(&self.user, &root()).await.unwrap();
        self.observe(&events);
        self.model.exemption = None;
    }

    pub async fn register_external_by_admin(&mut self, factor: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        let change = self.mfa.register_external_by_admin(&self.user, factor, &root(), contact()).await.unwrap();
        if let Change::Made { events, .. } = change {
            assert!(self.model.apps.is_empty() && self.model.external.is_empty(), "a factor beside one, unproved");
            self.observe(&events);
            self.model.hold(factor);
        }
    }

    pub async fn make_recovery_codes(&mut self, confirm: bool) {
        let session = SignedIn::assertion(self.user.clone());
        let Some(app) = self.model.apps.first() else { return };
        let step = self.step() + 1;
        let code = self.code(&app.secret, step);
        let (made, events) = match self.mfa.begin_recovery_codes(&session, &code).await.unwrap() {
            Change::Made { value, events } => (Some(value.codes), events),
            Change::Refused { events, .. } => (None, events),
        };
        self.judge_app_code(&events, Some((0, step)), None);
        self.observe(&events);
        let Some(codes) = made.filter(|_| confirm) else { return };
        let codes: Vec<String> = codes.iter().map(|code| code.expose_secret().expose_secret().to_owned()).collect();
        let first = RecoveryCode::parse(&codes[0]).unwrap();
        let done = self.mfa.confirm_recovery_codes(&session, &first, contact()).await.unwrap();
        assert!(matches!(done, Change::Made { .. }));
        self.model.set_recovery(codes);
    }

    pub async fn remove_device(&mut self, device: u8, by: u8) {
        let (device, by) = (self.app(device), self.app(by));
        let (Some(removed), Some(app)) = (self.model.apps.get(device), self.model.apps.get(by)) else { return };
        let (step, code) = (self.step(), self.code(&app.secret, self.step()));
        let session = SignedIn::assertion(self.user.clone());
        let removal = self.mfa.remove_device(&session, removed.id, &code, contact(), self.policy()).await.unwrap();
        let (Removal::Refused { events, .. } | Removal::Removed { events, .. }) = &removal;
        self.judge_app_code(events, Some((by, step)), None);
        if self.removed(&removal) {
            assert!(is_accepted(events, Factor::App), "a device was removed without a code");
            self.model.apps.remove(device);
            self.model.forget_recovery_without_device();
        }
    }

    pub async fn remove_device_elevated(&mut self, device: u8) {
        let device = self.app(device);
        let (Some(((elevated, _), _)), Some(app)) = (&self.elevated, self.model.apps.get(device)) else { return };
        let removal = self.mfa.remove_device_with(elevated, app.id, contact(), self.policy()).await.unwrap();
        let elevated = self.is_elevated();
        if self.removed(&removal) {
            assert!(elevated, "a device was removed on a step-up that does not count");
            self.model.apps.remove(device);
            self.model.forget_recovery_without_device();
        }
    }

    pub async fn remove_external(&mut self, factor: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        let Some(((elevated, _), _)) = &self.elevated else { return };
        let removal = self.mfa.remove_external(elevated, factor, contact(), self.policy()).await.unwrap();
        let elevated = self.is_elevated();
        if self.removed(&removal) {
            assert!(elevated, "a factor was removed on a step-up that does not count");
            self.model.external.retain(|held| held.factor != factor);
        }
    }

    /// Whether it was; the session that did it goes on.
    fn removed(&mut self, removal: &Removal) -> bool {
        let (Removal::Refused { events, .. } | Removal::Removed { events, .. }) = removal;
        self.observe(events);
        if let Removal::Removed { change, .. } = removal {
            self.go_on(change);
        }
        matches!(removal, Removal::Removed { .. })
    }

    pub async fn permit_address_change(&mut self) {
        let Some(((elevated, _), _)) = &self.elevated else { return };
        let counts = self.is_elevated();
        match self.mfa.permit_address_change(elevated).await.unwrap() {
            AddressChange::Permitted { change, events, .. } => {
                assert!(counts, "the address was changed on a step-up that does not count");
                self.observe(&events);
                self.go_on(&change);
            }
            AddressChange::StepUpEnded => assert!(!counts, "a step-up that counts was refused"),
        }
    }

    pub async fn revoke_logins(&mut self) {
        let revocation = self.mfa.revoke_logins(&self.user).await.unwrap();
        self.observe(&revocation.events);
        self.go_on(&revocation.change);
    }

    /// A session holds until it is ended, and not after that.
    pub async fn check_session(&mut self, session: u8) {
        let at = usize::from(session) % self.sessions.len().max(1);
        let Some((claims, epoch)) = self.sessions.get(at) else { return };
        match self.mfa.check_session(claims).await.unwrap() {
            Session::Valid(signed_in) => {
                assert_eq!(*epoch, self.model.epoch, "a session holds that was ended");
                self.signed_in = Some((signed_in, *epoch));
            }
            Session::Ended => {
                let trusted = |claims: &SessionClaims| claims.evidence().trusted_browser.is_some();
                assert!(*epoch != self.model.epoch || trusted(claims), "a session has ended that nothing has ended");
            }
        }
    }

    pub async fn trust(&mut self) {
        let Some(passed) = self.passed.take() else { return };
        let name = BrowserName::new("laptop").unwrap();
        if let Trust::Trusted { token, .. } = self.mfa.trust_browser(&passed, &name, self.policy()).await.unwrap() {
            assert!(passed.assurance() >= Assurance::TwoFactor);
            self.browser = Some((token, self.model.epoch));
        }
    }

    /// A code of the app at a place, for a step, was sent, or a wrong one; to any device, or to the one that was named.
    pub fn judge_app_code(&mut self, events: &[Event], sent: Option<(usize, u64)>, named: Option<usize>) {
        if is_accepted(events, Factor::App) {
            let (at, step) = sent.expect("a wrong code was accepted");
            assert!(named.is_none_or(|named| named == at), "a code of another device was accepted");
            let app = &mut self.model.apps[at];
            assert!(!is_worn_out(app.failures), "a code of a device that is disabled was accepted");
            assert!(app.used.insert(step), "a code was good twice");
            app.failures = 0;
        }
        if is_judged_wrong(events, Factor::App) {
            let judged =
                |(at, app): &(usize, &mut App)| named.is_none_or(|named| named == *at) && !is_worn_out(app.failures);
            let judged = self.model.apps.iter_mut().enumerate().filter(judged);
            let cost = judged.map(|(_, app)| app.failures += 1).count();
            self.wrong += cost as u32;
        }
    }
}
