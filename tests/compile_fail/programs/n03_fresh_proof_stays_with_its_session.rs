use factorgate::device::DeviceId;
use factorgate::{Mailer, Mfa, Session, Store};

pub async fn remove<S: Store, M: Mailer>(mfa: &Mfa<S, M>, other: &Session, device: DeviceId) {
    let _ = mfa.profile(other).remove_device(device).await; //~ E0599
}
