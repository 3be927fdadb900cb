//! What the user submits, as transitions.

use super::{Account, Decision, Fresh, Prepaid, Progress, Request};
use crate::code::Code;
use crate::device::DeviceName;
use crate::flow::{Action, Refusal, Typed};
use crate::ticket::Ticket;

impl Account {
    /// Does what the user has submitted. Text that no code can have costs nothing. A guess at hashed recovery codes comes
    /// back with the answer, to be checked.
    pub(crate) fn submit(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        action: &Action,
    ) -> Decision<(Progress, Option<Prepaid>)> {
        let decision = match action {
            Action::RecoveryCode { code } => return self.verify_recovery_code(rq, fresh, code.as_str()),
            Action::AppCode { code, device } => parse(code).map(|code| self.verify_app_code(rq, fresh, &code, *device)),
            Action::Cancel => Ok(self.cancel(rq)),
            Action::ConfirmApp { code, name } => match name.as_deref().map(DeviceName::new).transpose() {
                Err(_) => Err(Refusal::InvalidName),
                Ok(name) => {
                    parse(code).map(|code| self.confirm_enrollment(rq, fresh, &code, &name.unwrap_or_default()))
                }
            },
            Action::EmailCode { code } => parse(code).map(|code| self.verify_email_code(rq, fresh, &code)),
            Action::RegisterApp { replace } => Ok(self.begin_enrollment(rq, fresh, *replace)),
            Action::SendEmailCode => Ok(self.send_email_code(rq, fresh)),
            Action::Ticket { code } => match Ticket::parse(code.as_str()) {
                Ok(ticket) => Ok(self.redeem_ticket(rq, fresh, &ticket)),
                Err(_) => Err(Refusal::Malformed),
            },
        };
        decision.unwrap_or_else(|refusal| self.refuse(rq, refusal)).map(|progress| (progress, None))
    }
}

fn parse(typed: &Typed) -> Result<Code, Refusal> {
    Code::parse(typed.as_str()).map_err(|_| Refusal::Malformed)
}
