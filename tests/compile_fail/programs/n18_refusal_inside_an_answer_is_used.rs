#![deny(unused_must_use)]

use factorgate::login::Typed;
use factorgate::{Mailer, Mfa, MfaError, Session, Store};

pub async fn activate<S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    session: &Session,
    code: &Typed,
) -> Result<(), MfaError<S, M>> {
    mfa.profile(session).confirm_recovery_codes(code).await?; //~ unused_must_use
    Ok(())
}
