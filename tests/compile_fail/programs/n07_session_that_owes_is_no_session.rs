use factorgate::session::{Owing, UserStatus};
use factorgate::{Mailer, Mfa, Store};

pub async fn page<S: Store, M: Mailer>(mfa: &Mfa<S, M>, owing: &Owing) -> Option<UserStatus> {
    mfa.profile(owing).status().await.ok() //~ E0308
}
