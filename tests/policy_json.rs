//! The policy as data: what was written once is read for ever, and what no constructor would make is refused.

mod policy_cases;

use factorgate::policy::{Channel, Exemption, Policy};
use policy_cases::company::{Level, PASSKEY_FACTOR, PUSH_FACTOR, exemption};
use policy_cases::{DAY, FIRST, NOW, Settings, days};

fn read(text: &str) -> Result<Policy, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The policies of the files, which are never changed: a new format gets new ones.
fn golden() -> [(&'static str, Policy); 4] {
    let [after_password, after_email_code, with_ticket] = FIRST;
    let (passkey, push) = (Channel::External(*PASSKEY_FACTOR), Channel::External(*PUSH_FACTOR));
    let company = Policy::any_of([Channel::App, Channel::Email], after_email_code).unwrap();
    let company = company.with_email_fallback().unwrap().with_trusted_browsers().with_grace(days(14));
    let admins = Policy::all_of([Channel::App, Channel::Email, passkey], with_ticket).unwrap();
    let mobile = Policy::any_of([push], after_password).unwrap().with_stand_in(*PASSKEY_FACTOR).unwrap();
    [
        (include_str!("policy_cases/v1_off.json"), Policy::off(after_password)),
        (include_str!("policy_cases/v1_company.json"), company.clone()),
        (include_str!("policy_cases/v1_mobile.json"), mobile.clone()),
        (include_str!("policy_cases/v1_folded.json"), Policy::strictest(&company, [&admins, &mobile])),
    ]
}

#[test]
fn the_files_are_read_and_written_as_they_are() {
    for (text, policy) in golden() {
        assert_eq!(read(text).as_ref(), Ok(&policy));
        assert_eq!(format!("{}\n", serde_json::to_string_pretty(&policy).unwrap()), text);
    }
}

#[test]
fn every_policy_comes_back_and_so_does_every_merge() {
    let simple = Settings::every().iter().map(Settings::policy).collect::<Vec<_>>();
    let levels = Level::every().iter().map(Level::policy).collect::<Vec<_>>();
    let there_and_back = |policy: &Policy| read(&serde_json::to_string(policy).unwrap());
    for (i, p) in simple.iter().chain(&levels).enumerate() {
        assert_eq!(there_and_back(p).as_ref(), Ok(p));
        for q in levels.iter().skip(i % 11).step_by(11) {
            let merged = Policy::strictest(p, [q]);
            assert_eq!(there_and_back(&merged), Ok(merged));
        }
    }
}

#[test]
fn what_is_left_out_is_the_stricter_setting() {
    let least = r#"{"version": 1, "requires": [{"any_of": ["email"]}], "first_registration": "with_ticket"}"#;
    assert_eq!(read(least), Ok(Policy::any_of([Channel::Email], FIRST[2]).unwrap()));
    for needed in
        [r#""version": 1,"#, r#""requires": [{"any_of": ["email"]}],"#, r#", "first_registration": "with_ticket""#]
    {
        let error = read(&least.replace(needed, "")).unwrap_err();
        assert!(error.starts_with("missing field"), "{error}");
    }
}

#[test]
fn what_no_constructor_would_make_is_refused() {
    let good = r#"{"version": 1, "requires": [{"any_of": ["app"]}], "first_registration": "with_ticket",
        "email_fallback": false, "grace_days": 14, "stand_ins": [], "trusted_browsers": false}"#;
    assert!(read(good).is_ok());
    let passkey = |strength: &str| format!(r#"[{{"name": "passkey", "strength": "{strength}"}}]"#);
    for (from, to, error) in [
        (r#""version": 1"#, r#""version": 2"#, "the format of the policy is not known, only version 1 is"),
        (r#""version": 1"#, r#""version": 0"#, "the format of the policy is not known, only version 1 is"),
        // A newer format is named as such, also where it has fields that are not known.
        (r#""version": 1"#, r#""version": 2, "risk": 3"#, "the format of the policy is not known, only version 1 is"),
        (r#""version": 1"#, r#""version": 1, "risk": 3"#, "unknown field `risk`"),
        (r#""version": 1"#, r#""version": 1, "version": 1"#, "duplicate field `version`"),
        (r#"["app"]"#, "[]", "a policy that enforces a second factor needs at least one channel"),
        (r#"["app"]"#, r#"["sms"]"#, "unknown variant `sms`"),
        (r#""any_of""#, r#""none_of""#, "unknown variant `none_of`"),
        (r#"_fallback": false"#, r#"_fallback": true"#, "an e-mail code can stand in for a device only where"),
        ("14", "0", "a grace period lasts 1 to 90 days"),
        ("14", "91", "a grace period lasts 1 to 90 days"),
        ("14", "-1", "invalid value: integer `-1`"),
        (r#""with_ticket""#, r#""never""#, "unknown variant `never`"),
        (r#"_ins": []"#, &format!(r#"_ins": {}"#, passkey("possession")), "only a phishing-resistant factor can stand"),
        (r#"_ins": []"#, &format!(r#"_ins": {}"#, passkey("strong")), "unknown variant `strong`"),
        (r#"_ins": []"#, r#"_ins": [{"name": "A", "strength": "possession"}]"#, "the name of a factor is 1 to 24"),
        (r#"_ins": []"#, r#"_ins": [{"name": "a"}]"#, "missing field `strength`"),
    ] {
        assert!(good.contains(from), "{from}");
        let refused = read(&good.replace(from, to)).unwrap_err();
        assert!(refused.starts_with(error), "{to}: {refused}");
    }
    assert!(read(&good.replace(r#"_ins": []"#, &format!(r#"_ins": {}"#, passkey("phishing_resistant")))).is_ok());
}

#[test]
fn exemptions_are_data_too() {
    let text = include_str!("policy_cases/exemption.json");
    let written = exemption(NOW, NOW + DAY).unwrap();
    assert_eq!(serde_json::from_str::<Exemption>(text).unwrap(), written);
    assert_eq!(format!("{}\n", serde_json::to_string_pretty(&written).unwrap()), text);
    for (from, to, error) in [
        ("O. Petrova, security", " ", "an exemption needs the name of who granted it, and a reason"),
        ("1900086400", "1900000000", "an exemption ends after it begins, and within 366 days"),
        ("1900086400", "18446744073709551615", "an exemption ends after it begins, and within 366 days"),
        (r#"phone","#, r#"phone", "forever": true,"#, "unknown field `forever`"),
    ] {
        assert!(text.contains(from));
        let refused = serde_json::from_str::<Exemption>(&text.replace(from, to)).unwrap_err().to_string();
        assert!(refused.starts_with(error), "{refused}");
    }
    let undated = text.replace(",\n  \"until\": 1900086400", "");
    assert!(serde_json::from_str::<Exemption>(&undated).unwrap_err().to_string().starts_with("missing field `until`"));
}
