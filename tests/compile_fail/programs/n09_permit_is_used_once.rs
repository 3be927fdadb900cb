use factorgate::session::AddressPermit;
use factorgate::{Elevated, Mailer, Mfa, Store, UserRow};

pub async fn change<S: Store, M: Mailer>(mfa: &Mfa<S, M>, elevated: &Elevated, permit: AddressPermit, row: &UserRow) {
    let _ = mfa.elevated(elevated).finish_address_change(permit, row).await;
    let _ = mfa.elevated(elevated).finish_address_change(permit, row).await; //~ E0382
}
