use factorgate::session::Completion;
use factorgate::{Action, Elevated, FlowRef, Mailer, Mfa, Store};

pub async fn answer<S: Store, M: Mailer>(mfa: &Mfa<S, M>, flow: &FlowRef<Completion>, elevated: &Elevated) {
    let _ = mfa.submit(flow, elevated.session(), Action::SendEmailCode).await; //~ E0308
}
