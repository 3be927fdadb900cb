use factorgate::device::DeviceId;
use factorgate::{Mailer, Mfa, Session, Store};

pub async fn remove<S: Store, M: Mailer>(mfa: &Mfa<S, M>, session: &Session, device: DeviceId) {
    let _ = mfa.elevated(session).remove_device(device).await; //~ E0308
}
