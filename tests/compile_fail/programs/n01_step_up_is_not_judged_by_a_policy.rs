use factorgate::policy::Policy;
use factorgate::session::StepUp;
use factorgate::{Action, FlowRef, Mailer, Mfa, Store};

pub async fn answer<S: Store, M: Mailer>(mfa: &Mfa<S, M>, flow: &FlowRef<StepUp>, policy: &Policy) {
    let _ = mfa.submit(flow, policy, Action::SendEmailCode).await; //~ E0308
}
