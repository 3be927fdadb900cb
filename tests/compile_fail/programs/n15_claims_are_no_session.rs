use factorgate::session::UserStatus;
use factorgate::{Mailer, Mfa, SessionClaims, Store};

pub async fn page<S: Store, M: Mailer>(mfa: &Mfa<S, M>, claims: &SessionClaims) -> Option<UserStatus> {
    mfa.profile(claims).status().await.ok() //~ E0308
}
