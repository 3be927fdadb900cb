use factorgate::policy::Policy;
use factorgate::session::Registration;
use factorgate::{Action, FlowRef, Login, Mailer, Mfa, Outcome, Store};

pub async fn answer<S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    flow: &FlowRef<Registration>,
    policy: &Policy,
) -> Option<Outcome<Login>> {
    mfa.submit::<Login>(flow, policy, Action::SendEmailCode).await.ok() //~ E0308
}
