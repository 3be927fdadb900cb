use factorgate::device::DeviceId;
use factorgate::{Elevated, Mailer, Mfa, MfaError, SessionClaims, Store, UserRow};

pub async fn remove<S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    elevated: &Elevated,
    device: DeviceId,
    row: &UserRow,
) -> Result<Option<SessionClaims>, MfaError<S, M>> {
    let passed = mfa.elevated(elevated).remove_device(device).await?;
    Ok(passed.into_session(row).ok()) //~ E0599
}
