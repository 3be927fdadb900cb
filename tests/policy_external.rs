//! Factors that the host checks: what counts as evidence of one, and that an engine that records none lets nobody in.

use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otpauth::Issuer;
use factorgate::policy::AuthenticationMethod::{
    self, Face, Fingerprint, HardwareKey, Iris, OneTimePassword, Pin, ProofOfPossession, Retina, SmartCard, Sms,
    SoftwareKey, Telephone, UserPresence, Voice,
};
use factorgate::policy::{
    Channel, DenyReason, ExternalEvidence, ExternalFactor, FirstRegistration, InsufficientEvidence, InvalidFactorName,
    Policy, Step, Strength,
};
use factorgate::testing::{MemoryStore, Outbox};
use factorgate::{Contact, EmailAddress, Mfa, Outcome, PrimaryVerified, Refusal, Timestamp, UserId, UserRow};

const EVERY: [(AuthenticationMethod, &str); 14] = [
    (Face, "face"),
    (Fingerprint, "fpt"),
    (HardwareKey, "hwk"),
    (Iris, "iris"),
    (OneTimePassword, "otp"),
    (Pin, "pin"),
    (ProofOfPossession, "pop"),
    (Retina, "retina"),
    (SmartCard, "sc"),
    (Sms, "sms"),
    (SoftwareKey, "swk"),
    (Telephone, "tel"),
    (UserPresence, "user"),
    (Voice, "vbm"),
];

fn now() -> Timestamp {
    Timestamp::from_secs(1_900_000_000)
}

/// N25.
#[test]
fn methods_count_for_what_they_prove() {
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let token = ExternalFactor::possession("token").unwrap();
    let (keys, copied) = (["hwk", "pop", "sc", "swk"], ["otp", "sms", "tel"]);
    for set in 0..1_u32 << EVERY.len() {
        let chosen: Vec<_> = EVERY.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, m)| *m).collect();
        let key = chosen.iter().any(|(_, amr)| keys.contains(amr));
        let phished = chosen.iter().any(|(_, amr)| copied.contains(amr));
        let methods = || chosen.iter().map(|(method, _)| *method);
        let strong = ExternalEvidence::assertion(passkey, methods(), now());
        assert_eq!(strong.is_ok(), key && !phished, "{chosen:?}");
        let weak = ExternalEvidence::assertion(token, methods(), now());
        assert_eq!(weak.is_ok(), key || phished, "{chosen:?}");
        for evidence in [strong, weak].into_iter().flatten() {
            assert!(evidence.amr().eq(chosen.iter().map(|(_, amr)| *amr)) && evidence.methods().eq(methods()));
        }
    }
    assert_eq!(ExternalEvidence::assertion(token, [], now()), Err(InsufficientEvidence));
}

#[test]
fn evidence_answers_the_step_of_its_own_factor_and_no_other() {
    let [token, push] = ["token", "push"].map(|name| ExternalFactor::possession(name).unwrap());
    let same_name = ExternalFactor::phishing_resistant("token").unwrap();
    let evidence = ExternalEvidence::assertion(token, [OneTimePassword, OneTimePassword], now()).unwrap();
    assert!(evidence.answers(Step::External(token)));
    for other in [Step::External(push), Step::External(same_name), Step::AppCode, Step::EnrollApp, Step::Ticket] {
        assert!(!evidence.answers(other), "{other:?}");
    }
    assert_eq!((evidence.factor(), evidence.at()), (token, now()));
    assert_eq!(format!("{evidence:?}"), "ExternalEvidence(token, otp at 1900000000)");
}

#[test]
fn names_are_bounded() {
    for good in ["a", "pass-key_2", &"x".repeat(ExternalFactor::MAX_NAME_LEN)] {
        let factor = ExternalFactor::possession(good).unwrap();
        assert_eq!((factor.name(), factor.strength()), (good, Strength::Possession));
        assert_eq!(factor.to_string(), good);
    }
    for bad in ["", "Passkey", "pass key", "schlüssel", "a\0", &"x".repeat(ExternalFactor::MAX_NAME_LEN + 1)] {
        assert_eq!(ExternalFactor::possession(bad), Err(InvalidFactorName), "{bad:?}");
        assert_eq!(ExternalFactor::phishing_resistant(bad), Err(InvalidFactorName), "{bad:?}");
    }
    let shown = format!("{:?}", ExternalFactor::phishing_resistant("passkey").unwrap());
    assert_eq!(shown, "ExternalFactor(\"passkey\", PhishingResistant)");
}

#[tokio::test]
async fn factor_without_evidence_opens_no_login() {
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
    let mfa = Mfa::builder(MemoryStore::new(), Outbox::new(), keys, Issuer::new("ACME").unwrap()).build().unwrap();
    let passkey = Channel::External(ExternalFactor::phishing_resistant("passkey").unwrap());
    let contact = || Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let alice = || PrimaryVerified::assertion(UserRow::new(UserId::new("alice").unwrap(), "1", contact()));
    for channels in [vec![passkey], vec![passkey, Channel::Email]] {
        let policy = Policy::all_of(channels, FirstRegistration::AfterPassword).unwrap();
        let login = mfa.begin_login(alice(), &policy).await.unwrap();
        let Outcome::Denied(denied) = login else { panic!("{login:?}") };
        let Refusal::Policy(denial) = denied.refusal() else { panic!("{denied:?}") };
        assert_eq!(denial.reason, DenyReason::NoExternalFactor);
    }
    // Other channels beside it still work, and the flow remembers such a policy.
    let policy = Policy::any_of([passkey, Channel::Email], FirstRegistration::AfterPassword).unwrap();
    let login = mfa.begin_login(alice(), &policy).await.unwrap();
    let Outcome::Challenge(asked) = login else { panic!("{login:?}") };
    assert_eq!(asked.next(), [Step::EmailCode]);
    let Outcome::Challenge(asked) = mfa.resume(asked.flow(), &policy).await.unwrap() else { panic!() };
    assert_eq!(asked.next(), [Step::EmailCode]);
}
