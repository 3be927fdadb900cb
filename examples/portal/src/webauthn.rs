//! The factor that the portal checks by itself: a passkey, by the ceremonies of Web Authentication.
//!
//! A challenge is made for one flow, kept on the server, and used once. Origin, presence and verification of the user
//! are checked by `webauthn-rs`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use factorgate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use webauthn_rs::prelude::{
    AuthenticationResult, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::accounts::User;
use crate::app::StartError;
use crate::db;
use crate::error::Failure;

/// The portal's name. A passkey belongs to a name, and no address of numbers is one (Web Authentication section 5.1.2).
pub(crate) const HOST: &str = "localhost";

/// Finding a security key and its PIN takes its time.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The factor, as policies and the engine know it.
pub(crate) fn factor() -> Result<ExternalFactor, Failure> {
    ExternalFactor::phishing_resistant("passkey").map_err(Failure::internal)
}

/// The portal as a relying party, and the challenges that are open.
pub(crate) struct RelyingParty {
    origin: String,
    webauthn: Webauthn,
    open: Mutex<HashMap<[u8; 32], Open>>,
}

/// A challenge that waits for its answer.
struct Open {
    ceremony: Ceremony,
    /// What the browser is told, so that a page that is loaded again asks for the same.
    options: String,
    since: Instant,
}

enum Ceremony {
    Create(Box<PasskeyRegistration>),
    Get(Box<PasskeyAuthentication>),
}

/// What came of an answer.
pub(crate) enum Answered<T> {
    /// It is right.
    Right(T),
    /// There is no challenge that it could answer: it was used, or is too old. Nothing was judged.
    Unasked,
    /// The text is no answer of a browser. Nothing was judged.
    Unreadable,
    /// It does not answer the challenge, or not with a passkey of this user.
    Wrong,
}

impl RelyingParty {
    pub(crate) fn new(port: u16) -> Result<Self, StartError> {
        let origin = format!("http://{HOST}:{port}");
        let internal = |error: &dyn std::error::Error| StartError::Internal(error.to_string());
        let url = Url::parse(&origin).map_err(|error| internal(&error))?;
        let webauthn = WebauthnBuilder::new(HOST, &url).and_then(|builder| builder.rp_name("Larkfield").build());
        let webauthn = webauthn.map_err(|error| internal(&error))?;
        Ok(Self { origin, webauthn, open: Mutex::default() })
    }

    /// Where the portal has to be opened for a passkey to work.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The options of `navigator.credentials.get`, with the challenge of this flow.
    pub(crate) fn ask(&self, flow: &str, passkeys: &[Passkey]) -> Result<String, Failure> {
        self.opened(key("get", flow), || {
            let (options, state) = self.webauthn.start_passkey_authentication(passkeys)?;
            Ok((in_json(&options.public_key)?, Ceremony::Get(Box::new(state))))
        })
    }

    /// Judges the answer to [`RelyingParty::ask`], and spends its challenge.
    pub(crate) fn check(&self, flow: &str, answer: &str) -> Answered<AuthenticationResult> {
        let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Answered::Unreadable };
        let Some(Ceremony::Get(state)) = self.spent(key("get", flow)) else { return Answered::Unasked };
        judged(self.webauthn.finish_passkey_authentication(&answer, &state))
    }

    /// The options of `navigator.credentials.create`, for a passkey beside those that the user has.
    pub(crate) fn offer(&self, flow: &str, user: &User, held: &[Passkey]) -> Result<String, Failure> {
        self.opened(key("create", flow), || {
            // An opaque handle, as section 14.6.1 asks for: the number of the row says nothing of the user.
            let handle = Uuid::from_u128(user.id.unsigned_abs().into());
            let held = held.iter().map(|passkey| passkey.cred_id().clone()).collect();
            let (email, name) = (user.email.as_str(), user.name.as_str());
            let (options, state) = self.webauthn.start_passkey_registration(handle, email, name, Some(held))?;
            Ok((in_json(&options.public_key)?, Ceremony::Create(Box::new(state))))
        })
    }

    /// Judges the answer to [`RelyingParty::offer`], and spends its challenge.
    pub(crate) fn accept(&self, flow: &str, answer: &str) -> Answered<Passkey> {
        let Ok(answer) = serde_json::from_str::<RegisterPublicKeyCredential>(answer) else {
            return Answered::Unreadable;
        };
        let Some(Ceremony::Create(state)) = self.spent(key("create", flow)) else { return Answered::Unasked };
        judged(self.webauthn.finish_passkey_registration(&answer, &state))
    }

    fn opened(
        &self,
        key: [u8; 32],
        begin: impl FnOnce() -> Result<(String, Ceremony), Failure>,
    ) -> Result<String, Failure> {
        let mut open = self.lock();
        open.retain(|_, challenge| challenge.since.elapsed() < LIFETIME);
        // One that is young enough is asked again, so that a second tab does not void the first.
        if let Some(known) = open.get(&key).filter(|known| known.since.elapsed() < LIFETIME / 2) {
            return Ok(known.options.clone());
        }
        let (options, ceremony) = begin()?;
        open.insert(key, Open { ceremony, options: options.clone(), since: Instant::now() });
        Ok(options)
    }

    /// Takes the challenge: nothing answers it a second time, whatever comes of this answer.
    fn spent(&self, key: [u8; 32]) -> Option<Ceremony> {
        let open = self.lock().remove(&key)?;
        (open.since.elapsed() < LIFETIME).then_some(open.ceremony)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Open>> {
        // Each change is one call of the map's: a thread that panicked has left nothing half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The portal's word to the engine that a passkey was checked just now.
///
/// `pop` and not `hwk`: without an attestation nobody knows where the key is kept.
pub(crate) fn evidence() -> Result<ExternalEvidence, Failure> {
    let methods = [AuthenticationMethod::ProofOfPossession, AuthenticationMethod::UserPresence];
    ExternalEvidence::assertion(factor()?, methods, db::time()?).map_err(Failure::internal)
}

fn judged<T>(result: Result<T, WebauthnError>) -> Answered<T> {
    match result {
        Ok(right) => Answered::Right(right),
        Err(error) => {
            eprintln!("portal: a passkey was not accepted: {error}");
            Answered::Wrong
        }
    }
}

/// A flow is known by a digest of its reference, as the engine knows it.
fn key(ceremony: &str, flow: &str) -> [u8; 32] {
    Sha256::new().chain_update(ceremony).chain_update([0]).chain_update(flow).finalize().into()
}

fn in_json(options: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(options).map_err(Failure::internal)
}

impl From<WebauthnError> for Failure {
    fn from(cause: WebauthnError) -> Self {
        Self::internal(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use factorgate::EmailAddress;

    fn user() -> User {
        let email = EmailAddress::new("ada@larkfield.example").unwrap();
        User {
            id: 7,
            email,
            email_verified: true,
            name: "Ada".to_owned(),
            is_admin: false,
            disabled: false,
            password_version: 1,
        }
    }

    #[test]
    fn a_challenge_is_one_flows_and_is_used_once() {
        let party = RelyingParty::new(3000).unwrap();
        let first = party.offer("one", &user(), &[]).unwrap();
        assert_eq!(party.offer("one", &user(), &[]).unwrap(), first, "the page can be loaded again");
        assert_ne!(party.offer("two", &user(), &[]).unwrap(), first);
        assert!(first.contains("\"id\":\"localhost\"") && first.contains("\"userVerification\":\"required\""));

        // Well-formed, and signed by nobody.
        let answer = r#"{"id":"AA","rawId":"AA","type":"public-key",
            "response":{"attestationObject":"oA","clientDataJSON":"e30"}}"#;
        assert!(matches!(party.accept("three", answer), Answered::Unasked));
        assert!(matches!(party.accept("one", "{}"), Answered::Unreadable));
        assert!(matches!(party.accept("one", answer), Answered::Wrong));
        assert!(matches!(party.accept("one", answer), Answered::Unasked), "it is spent, right or wrong");
        assert_ne!(party.offer("one", &user(), &[]).unwrap(), first);
    }
}
