use factorgate::policy::Policy;
use factorgate::session::{Completion, Registration, SessionCheck, StepUp};
use factorgate::{Action, Authenticated, Flow, FlowRef, Login, Mailer, Mfa, MfaError, Outcome, Refusal, Store};

pub async fn submit<F: Flow, S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    flow: &FlowRef<F>,
    policy: &Policy,
    check: &SessionCheck,
    action: Action,
) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
    let by = match F::by(policy, check) {
        Ok(by) => by,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(match mfa.submit(flow, by, action).await? {
        Outcome::Done(done) => Ok(done.into()),
        Outcome::Denied(denied) => Err(denied.refusal()),
        Outcome::Challenge(_) | Outcome::Enroll(_) => Err(Refusal::StepsOwed),
    })
}

pub fn names() -> [&'static str; 4] {
    [Login::NAME, Completion::NAME, Registration::NAME, StepUp::NAME]
}
