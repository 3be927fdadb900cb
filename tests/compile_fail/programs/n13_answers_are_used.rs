#![deny(unused_must_use)]

use factorgate::{Elevated, Error, Mailer, Mfa, MfaError, Refusal, Session, Store, UserRow};

pub async fn change<S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    session: &Session,
    elevated: &Elevated,
    row: &UserRow,
) -> Result<(), MfaError<S, M>> {
    let refused = |_: Refusal| Error::Contention;
    mfa.profile(session).password_changed(row).await?.map_err(refused)?; //~ unused_must_use
    mfa.elevated(elevated).permit_address_change().await?.map_err(refused)?; //~ unused_must_use
    mfa.profile(session).begin_registration().await?; //~ unused_must_use
    mfa.profile(session).sign_out_elsewhere().await?; //~ unused_must_use
    Ok(())
}
