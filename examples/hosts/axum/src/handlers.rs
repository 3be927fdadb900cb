//! What the API offers besides the steps of flows.

use axum::{Json, extract::Path, extract::State, http::StatusCode};
use factorgate::{EmailAddress, PrimaryVerified, browser::BrowserName, device::DeviceId, policy::Policy};
use serde_json::json;

use crate::flows::Visit;
use crate::web::{Answer, Error};
use crate::{App, browser_of};

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    code: String,
    email: String,
    name: String,
    password: String,
}

pub(crate) async fn sign_up(State(app): State<App>, Json(form): Json<Form>) -> Result<StatusCode, Error> {
    let email = EmailAddress::new(&form.email).map_err(Error::bad)?;
    app.users.insert(&form.name, &email, &form.password).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn login(visit: Visit, Json(form): Json<Form>) -> Answer {
    let user = visit.app.users.with_password(&form.name, form.password).await?;
    let browser = visit.cookies.get(&browser_of(&user.id));
    let primary = PrimaryVerified::assertion(user.row()).from_browser(browser.as_ref().map(|cookie| cookie.value()));
    let outcome = visit.app.mfa.begin_login(primary, &visit.policy).await?;
    visit.respond(outcome).await
}

pub(crate) async fn complete(visit: Visit) -> Answer {
    let outcome = visit.app.mfa.begin_completion(visit.check.owing()?).await?;
    visit.respond(outcome).await
}

pub(crate) async fn register(visit: Visit) -> Answer {
    let outcome = visit.app.mfa.profile(visit.check.session()?).begin_registration().await?;
    visit.respond(outcome).await
}

pub(crate) async fn status(visit: Visit) -> Answer {
    Ok(Json(json!(visit.app.mfa.profile(visit.check.session()?).status().await?)))
}

pub(crate) async fn remove_device(visit: Visit, Path(device): Path<DeviceId>) -> Answer {
    let passed = visit.app.mfa.elevated(&visit.fresh().await?).remove_device(device).await??;
    visit.open(passed).await
}

pub(crate) async fn new_codes(visit: Visit) -> Answer {
    let new = visit.app.mfa.elevated(&visit.fresh().await?).new_recovery_codes().await??;
    let codes: Vec<_> = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
    Ok(Json(json!({"codes": codes})))
}

pub(crate) async fn confirm_codes(visit: Visit, Json(form): Json<Form>) -> Result<StatusCode, Error> {
    visit.app.mfa.profile(visit.check.session()?).confirm_recovery_codes(&form.code.into()).await??;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn trust_browser(visit: Visit, Json(form): Json<Form>) -> Result<StatusCode, Error> {
    let name = BrowserName::new(&form.name).map_err(Error::bad)?;
    visit.remember(&visit.app.mfa.profile(visit.check.session()?).trust_browser(&name).await??);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn password(visit: Visit, Json(form): Json<Form>) -> Answer {
    let fresh = visit.fresh().await?;
    visit.app.users.set_password(&fresh, &form.password).await?;
    let user = visit.app.users.by_id(fresh.user()).await?.ok_or(Error::WrongPassword)?; // as it is after the write
    let passed = visit.app.mfa.profile(fresh.session()).password_changed(&user.row()).await??;
    visit.open(passed).await
}

pub(crate) async fn address(visit: Visit, Json(form): Json<Form>) -> Answer {
    let new = EmailAddress::new(&form.email).map_err(Error::bad)?;
    let fresh = visit.fresh().await?;
    let permit = visit.app.mfa.elevated(&fresh).permit_address_change().await??;
    visit.app.users.set_address(&permit, &new).await?;
    let user = visit.app.users.by_id(fresh.user()).await?.ok_or(Error::WrongPassword)?;
    let passed = visit.app.mfa.elevated(&fresh).finish_address_change(permit, &user.row()).await??;
    visit.open(passed).await
}

pub(crate) async fn delete_account(visit: Visit) -> Result<StatusCode, Error> {
    let fresh = visit.fresh().await?;
    visit.app.users.delete(&fresh).await?;
    visit.app.mfa.elevated(&fresh).erase_user().await?;
    sign_out(visit).await
}

pub(crate) async fn sign_out(visit: Visit) -> Result<StatusCode, Error> {
    visit.session.flush().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn set_policy(visit: Visit, Json(policy): Json<Policy>) -> Result<StatusCode, Error> {
    visit.app.users.set_policy(&visit.fresh().await?, &policy).await?;
    Ok(StatusCode::NO_CONTENT)
}
