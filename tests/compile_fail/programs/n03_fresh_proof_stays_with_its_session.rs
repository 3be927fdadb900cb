use factorgate::device::DeviceId;
use factorgate::{Elevated, Mailer, Mfa, Session, Store};

pub async fn remove<S: Store, M: Mailer>(mfa: &Mfa<S, M>, other: &Session, device: DeviceId) {
    let _ = mfa.profile(other).remove_device(device).await; //~ E0599
}

pub fn exchange(other: Session, mine: Elevated) -> Elevated {
    Elevated { session: other, ..mine } //~ E0451
}
