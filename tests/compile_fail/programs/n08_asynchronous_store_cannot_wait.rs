use factorgate::mail::AnyMailer;
use factorgate::store::AnyStore;
use factorgate::{Mfa, Session};

pub fn page(mfa: &Mfa<AnyStore, AnyMailer>, session: &Session) {
    let _ = mfa.wait(async { mfa.profile(session).status().await }); //~ E0277 `Ready(..)`
}
