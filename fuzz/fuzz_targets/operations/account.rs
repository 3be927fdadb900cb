//! Sessions, the profile, and what needs a fresh proof.

use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::browser::{BrowserId, BrowserName};
use factorgate::device::DeviceName;
use factorgate::login::Typed;
use factorgate::session::SessionCheck;
use factorgate::{Authenticated, Refusal};

use crate::browsers::Trusting;
use crate::kept::{Cookie, Fresh, Kept, Opener};
use crate::ledger::Operation;
use crate::model::{Proof, Row, factors, proofs};
use crate::world::{World, root};

fn to(address: u8) -> Operation {
    Operation { address, ..Operation::default() }
}

impl World {
    pub async fn check_session(&mut self, session: u8) {
        if let Some(place) = self.place(session) {
            let _ = self.check(place).await;
        }
    }

    /// The host passes a row that it has read before.
    pub async fn check_session_of_stale_row(&mut self, session: u8, row: u8) {
        let (Some(place), false) = (self.place(session), self.rows.is_empty()) else { return };
        let row = self.rows[usize::from(row) % self.rows.len()];
        let check = self.mfa.check_session(&self.sessions[place].claims, &self.user_row(row), self.policy()).await;
        let kept = &self.sessions[place];
        let holds = self.is_alive(kept) && kept.row == row;
        assert_eq!(!matches!(check.unwrap(), SessionCheck::Ended), holds, "a session of another row");
        self.follow(Operation::default());
    }

    /// The host keeps a checked session for later.
    pub async fn hold_session(&mut self, session: u8) {
        let Some(place) = self.place(session) else { return };
        if let Ok(session) = self.check(place).await.into_session() {
            self.held = Some((session, self.sessions[place].clone(), self.policy));
        }
    }

    /// The session goes on with the claims of a change, if it was made.
    fn go_on(&mut self, changed: Result<Authenticated, Refusal>, row: Row, opener: Opener, holds: bool) -> bool {
        match changed {
            Ok(passed) => {
                assert!(holds, "a session that had ended goes on");
                self.keep(passed, row, opener);
                true
            }
            Err(_) => false,
        }
    }

    pub async fn sign_out_elsewhere(&mut self, session: u8) {
        let Some((session, kept, _)) = self.session(session).await else { return };
        let holds = self.is_alive(&kept);
        let changed = self.mfa.profile(&session).sign_out_elsewhere().await.unwrap();
        self.follow(to(kept.row.address));
        assert_eq!(changed.is_ok(), holds);
        self.go_on(changed, kept.row, kept.opener, holds);
    }

    /// The host writes a new password. It reports it for the session that asked for it (1), as an administrator (2), or not.
    pub async fn change_password(&mut self, reported: u8, session: u8) {
        let next = self.rows.iter().map(|row| row.credential).max().unwrap_or(0).max(self.row.credential) + 1;
        let new = Row { credential: next, ..self.row };
        match reported % 3 {
            0 => self.write_row(new),
            1 => {
                let Some((session, kept, _)) = self.session(session).await else { return };
                self.write_row(new);
                let (now, holds) = (self.now(), self.is_alive(&kept));
                let changed = self.mfa.profile(&session).password_changed(&self.user_row(new)).await.unwrap();
                if holds {
                    self.model.row = Some(kept.row);
                }
                self.model.row_was_replaced(new, now);
                let restores = holds && self.is_second_factor(&kept);
                let grants = !restores && !self.model.erased;
                self.follow(Operation { grants, restores, ..to(kept.row.address) });
                assert_eq!(changed.is_ok(), holds);
                self.go_on(changed, new, kept.opener, holds);
            }
            _ => self.report(new).await,
        }
    }

    /// The host writes another address, and reports it as an administrator, or not.
    pub async fn change_address(&mut self, address: u8, reported: u8) {
        let new = Row { address: address % 3, ..self.row };
        if new == self.row {
            return;
        }
        match reported % 2 {
            0 => self.write_row(new),
            _ => self.report(new).await,
        }
    }

    async fn report(&mut self, new: Row) {
        self.write_row(new);
        self.mfa.admin(&root()).account_changed(&self.user_row(new)).await.unwrap();
        let now = self.now();
        self.model.row_was_replaced(new, now);
        self.follow(Operation { grants: !self.model.erased, ..to(new.address) });
    }

    /// Whether a session has proved the strongest factor that the user has.
    fn is_second_factor(&self, kept: &Kept) -> bool {
        let is_one = |(proof, _): &(Proof, _)| match proof {
            Proof::App | Proof::Registered | Proof::External(_) => true,
            Proof::Email => !self.model.has_factor(),
            Proof::Recovery | Proof::Ticket => false,
        };
        proofs(kept.claims.evidence()).iter().any(is_one)
    }

    pub async fn trust(&mut self, session: u8) {
        let Some((session, kept, policy)) = self.session(session).await else { return };
        let (now, alive) = (self.now(), self.is_alive(&kept));
        let trusted = self.mfa.profile(&session).trust_browser(&BrowserName::new("laptop").unwrap()).await.unwrap();
        let proved = proofs(kept.claims.evidence()).into_iter().filter_map(|(proof, _)| match proof {
            Proof::App | Proof::Registered | Proof::External(_) => proof.target(),
            _ => None,
        });
        let (proved, row, session) = (proved.collect(), kept.row, kept.opener.login);
        let trusting = Some(Trusting { policy, proved, row, session });
        let events = self.follow(Operation { trusting, ..to(kept.row.address) });
        let Ok(text) = trusted else { return };
        let is_young = |(proof, at): &(Proof, _)| {
            let has = matches!(proof, Proof::App | Proof::Registered | Proof::External(_));
            has && *at <= now && now.saturating_since(*at) <= Duration::from_secs(600)
        };
        assert!(alive, "a browser was trusted in a session that had ended");
        assert!(proofs(kept.claims.evidence()).iter().any(is_young), "a browser was trusted without a fresh proof");
        assert!(events.iter().any(|event| matches!(event.kind, EventKind::BrowserTrusted { .. })));
        let token = self.ledger.handed.take().expect("the token of a trusted browser");
        self.give_cookie(kept.opener.agent, Cookie { text: text.to_cookie(), token });
    }

    pub async fn revoke_browser(&mut self, browser: u8, session: u8) {
        let Some((session, kept, _)) = self.session(session).await else { return };
        let known = &self.ledger.browsers.known;
        let trusted: Vec<_> = known.iter().filter(|known| known.trust.is_some()).map(|known| known.id).collect();
        let at = usize::from(browser) % trusted.len().max(1);
        let id = trusted.get(at).copied().unwrap_or(BrowserId::new(999));
        let (alive, now) = (self.is_alive(&kept), self.now());
        if browser == 0xff {
            let trusted = known.iter().filter(|known| known.is_trusted(now)).count();
            let forgotten = self.mfa.profile(&session).forget_browsers().await.unwrap();
            let events = self.follow(to(kept.row.address));
            assert_eq!(forgotten.is_ok(), alive, "the browsers are forgotten by a session that holds");
            if alive {
                assert_eq!(events.len(), trusted, "the end of a trust was not announced");
                self.ledger.browsers.known.clear();
            }
            return;
        }
        let revoked = self.mfa.profile(&session).revoke_browser(id).await.unwrap();
        self.follow(to(kept.row.address));
        assert!(alive || revoked.is_err(), "a session that had ended has revoked a browser");
    }

    /// Takes the last step-up, for an operation that needs it.
    fn fresh(&mut self) -> Option<(Fresh, bool)> {
        let counts = self.is_elevated();
        Some((self.elevated.take()?, counts))
    }

    /// The session continues with what it has just proved.
    pub async fn raise_session(&mut self) {
        let Some((Fresh { elevated, kept }, _)) = self.fresh() else { return };
        // A session that was ended stays so: its claims are of an earlier epoch.
        if kept.epoch == self.model.epoch && kept.row == self.row {
            self.keep(elevated.into(), kept.row, kept.opener);
        }
    }

    pub async fn make_recovery_codes(&mut self, confirm: u8) {
        let Some((fresh, counts)) = self.fresh() else { return };
        let made = self.mfa.elevated(&fresh.elevated).new_recovery_codes().await.unwrap();
        self.follow(to(fresh.kept.row.address));
        if !self.model.apps.is_empty() {
            assert_eq!(made.is_ok(), counts, "new recovery codes, {:?}", made.err());
        }
        if let Ok(made) = made {
            let codes: Vec<String> =
                made.codes.iter().map(|code| code.expose_secret().expose_secret().into()).collect();
            let session = fresh.elevated.session();
            let typed = match confirm % 4 {
                0 => "0000-0000-0000-0000",
                1 => "no code",
                _ => &codes[usize::from(confirm) % codes.len()],
            };
            let done = self.mfa.profile(session).confirm_recovery_codes(&Typed::from(typed)).await.unwrap();
            self.follow(to(fresh.kept.row.address));
            let expected = match confirm % 4 {
                1 => Some(Refusal::Malformed),
                0 => Some(Refusal::WrongCode),
                _ => None,
            };
            match expected {
                None => assert_eq!(done, Ok(())),
                Some(refusal) => assert_eq!(done, Err(refusal)),
            }
            if done.is_ok() {
                self.model.set_recovery(codes);
            }
        }
        self.elevated = Some(fresh);
    }

    pub async fn remove_device(&mut self, device: u8) {
        let device = self.app(device);
        let Some(app) = self.model.apps.get(device).map(|app| app.id) else { return };
        let Some((fresh, counts)) = self.fresh() else { return };
        let changed = self.mfa.elevated(&fresh.elevated).remove_device(app).await.unwrap();
        self.follow(to(fresh.kept.row.address));
        if changed.is_ok() {
            self.model.apps.remove(device);
            self.model.forget_recovery_without_device();
        }
        self.changed(changed, fresh, counts);
    }

    pub async fn remove_external(&mut self, factor: u8) {
        let factor = factors()[usize::from(factor) % factors().len()];
        let Some((fresh, counts)) = self.fresh() else { return };
        let changed = self.mfa.elevated(&fresh.elevated).remove_external(factor).await.unwrap();
        self.follow(to(fresh.kept.row.address));
        if changed.is_ok() {
            assert!(self.model.external.iter().any(|held| held.factor == factor));
            self.model.external.retain(|held| held.factor != factor);
        }
        self.changed(changed, fresh, counts);
    }

    /// The other sessions have ended, and with them this proof.
    fn changed(&mut self, changed: Result<Authenticated, Refusal>, fresh: Fresh, counts: bool) {
        assert_eq!(changed.as_ref().err() == Some(&Refusal::StepUpExpired), !counts, "a step-up that counts, or not");
        self.go_on(changed, fresh.kept.row, fresh.kept.opener, counts);
        self.elevated = Some(fresh);
    }

    pub async fn rename_device(&mut self, device: u8) {
        let device = self.app(device);
        let Some(app) = self.model.apps.get(device).map(|app| app.id) else { return };
        let Some((fresh, counts)) = self.fresh() else { return };
        let name = DeviceName::new("an old phone").unwrap();
        let renamed = self.mfa.elevated(&fresh.elevated).rename_device(app, &name).await.unwrap();
        self.follow(to(fresh.kept.row.address));
        assert_eq!(renamed.is_ok(), counts);
        self.elevated = Some(fresh);
    }

    pub async fn permit_address_change(&mut self) {
        let Some((fresh, counts)) = self.fresh() else { return };
        let permit = self.mfa.elevated(&fresh.elevated).permit_address_change().await.unwrap();
        self.follow(to(fresh.kept.row.address));
        assert_eq!(permit.is_ok(), counts, "an address change was permitted, or not");
        if let Ok(permit) = permit {
            self.permit = Some((permit, fresh.kept.claims.number()));
        }
        self.elevated = Some(fresh);
    }

    /// The host writes the address that was permitted, with the proof of this session or of another one.
    pub async fn finish_address_change(&mut self, address: u8) {
        let (Some((permit, number)), true) = (self.permit.take(), self.elevated.is_some()) else { return };
        let Some((fresh, _)) = self.fresh() else { return };
        let (now, new) = (self.now(), Row { address: address % 3, ..self.row });
        let holds = number == fresh.kept.claims.number() && self.is_alive(&fresh.kept);
        if new != self.row {
            self.write_row(new);
        }
        let changed =
            self.mfa.elevated(&fresh.elevated).finish_address_change(permit, &self.user_row(new)).await.unwrap();
        if holds {
            self.model.row = Some(fresh.kept.row);
        }
        self.model.row_was_replaced(new, now);
        self.follow(to(new.address));
        assert_eq!(changed.is_ok(), holds);
        if let Ok(passed) = &changed {
            assert!(passed.evidence().email_code.is_none(), "a code of the old address still counts");
        }
        self.go_on(changed, new, fresh.kept.opener, holds);
        self.elevated = Some(fresh);
    }
}
