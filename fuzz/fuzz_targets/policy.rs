//! A policy, or an exemption, as data: refused, or the same when it is written and read; and every plan of it is sound.
#![no_main]

use factorgate::policy::{DeviceStanding, EmailStanding, Exemption, Plan, Policy, Standing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(exemption) = serde_json::from_slice::<Exemption>(bytes) {
        let written = serde_json::to_vec(&exemption).unwrap();
        assert_eq!(serde_json::from_slice::<Exemption>(&written).unwrap(), exemption);
    }
    let Ok(policy) = serde_json::from_slice::<Policy>(bytes) else { return };
    let written = serde_json::to_vec(&policy).unwrap();
    assert_eq!(serde_json::from_slice::<Policy>(&written).unwrap(), policy);
    assert_eq!(Policy::strictest(&policy, [&policy]), policy);

    for device in [DeviceStanding::Never, DeviceStanding::Formerly, DeviceStanding::Confirmed { recovery_codes: true }]
    {
        for email in [None, Some(EmailStanding { tainted: false, verified: true })] {
            let mut user = Standing::new();
            (user.device, user.email) = (device, email);
            // Nothing is granted to who has only the password, where anything is enforced.
            let plan = policy.evaluate(&user);
            assert!(!(policy.is_enforced() && matches!(plan, Plan::Allow { .. })));
            let _ = policy.explain(&user).to_string();
        }
    }
});
