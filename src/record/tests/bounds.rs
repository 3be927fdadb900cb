//! How long a record can be: what is written whole, what makes way, and what is not read.

use super::*;

/// The fullest account, with everything at its limit.
fn fullest() -> Account {
    let long = |n: usize| "é".repeat(n / 2);
    let mut account = account();
    account.recovery = account.recovery.map(|set| RecoverySet {
        codes: Vec::new(),
        imported: Some(
            (0..Import::MAX_RECOVERY_CODES).map(|_| SecretText::new("h".repeat(Import::MAX_HASH_LEN))).collect(),
        ),
        ..set
    });
    account.issues.times = vec![Timestamp::from_secs(u64::MAX); 60];
    account.devices = (0..crate::account::MAX_DEVICES)
        .map(|_| {
            let mut devices = super::account().devices;
            devices[0].name = DeviceName::new(&long(DeviceName::MAX_LEN)).unwrap();
            devices.remove(0)
        })
        .collect();
    account.browsers.known = (0..crate::account::MAX_KNOWN)
        .map(|n| {
            let mut browser = super::account().browsers.known.remove(0);
            browser.trust.take_if(|_| n >= crate::account::MAX_TRUSTED);
            if let Some(trust) = &mut browser.trust {
                trust.name = BrowserName::new(&long(BrowserName::MAX_LEN)).unwrap();
            }
            browser.sent.times = vec![Timestamp::from_secs(u64::MAX); 10];
            browser
        })
        .collect();
    let name = |n: usize| format!("{n}{}", "x".repeat(ExternalFactor::MAX_NAME_LEN - 1));
    let factors: Vec<_> =
        (0..crate::account::MAX_EXTERNAL).map(|n| ExternalFactor::possession(&name(n)).unwrap()).collect();
    account.external = factors
        .iter()
        .map(|factor| RegisteredFactor { factor: *factor, ..super::account().external.remove(0) })
        .collect();
    let text = long(Exemption::MAX_TEXT_LEN);
    let (now, later) = (Timestamp::from_secs(u64::MAX - 1), Timestamp::from_secs(u64::MAX));
    account.exemption = Some(Exemption::new(&text, &text, now, later).unwrap());
    let by = UserId::new(&"u".repeat(UserId::MAX_LEN)).unwrap();
    account.tail.events = vec![(later, EventKind::TicketIssued { by }); MAX_TAIL];
    let address = EmailAddress::new(&format!("a@{}", "d".repeat(252))).unwrap();
    for owed in &mut account.owed.notices {
        owed.notice.to = address.clone();
        owed.notice.name = Some(long(DeviceName::MAX_LEN));
        owed.notice.replaced = owed.notice.name.clone();
    }
    account.flows = (0..Purpose::ALL_PLACES)
        .map(|n| {
            let mut flows = super::account().flows;
            flows[0].contact = Contact::verified(address.clone());
            flows[0].session = n as u64;
            let checked = |factor: &ExternalFactor| {
                let methods = [AuthenticationMethod::OneTimePassword, AuthenticationMethod::Sms];
                ExternalEvidence::assertion(*factor, methods, later).unwrap()
            };
            flows[0].evidence.external = factors.iter().map(checked).collect();
            flows.remove(0)
        })
        .collect();
    account
}

/// Of everything at its limit at once, the oldest flows make way, and nothing else.
#[test]
fn fullest_record_is_written_and_can_be_read() {
    let mut account = fullest();
    let keys = ServerKeys::new(keys("01"));
    let record = seal(&mut account, &user(), Version::FIRST, &keys, &[3; 24]).ok().unwrap();
    let opened = open(&record, &user(), &keys).unwrap();
    assert_eq!(opened.owed.notices.len(), MAX_OWED);
    assert_eq!((opened.browsers.known.len(), opened.devices.len()), (10, crate::account::MAX_DEVICES));
    assert!(opened.flows.len() >= 10, "{} flows in {} bytes", opened.flows.len(), record.sealed().len());
    assert_eq!(opened.flows.last().unwrap().session, Purpose::ALL_PLACES as u64 - 1, "the newest stays");
}

/// Every address and every policy that an account can name is another one: all of them are read.
#[test]
fn tables_hold_every_address_and_policy() {
    let address = |kind: &str, n: usize| EmailAddress::new(&format!("{kind}{n}@example.com")).unwrap();
    let policy = |kind: &str, n: usize| {
        let factor = ExternalFactor::possession(&format!("{kind}{n}")).unwrap();
        Policy::any_of([Channel::External(factor)], FirstRegistration::WithTicket).unwrap()
    };
    let mut whole = account();
    let flow = |n| OpenFlow {
        contact: Contact::verified(address("contact", n)),
        evidence: Evidence {
            email_code: Some((address("proved", n), Timestamp::from_secs(1))),
            ..account().flows.remove(0).evidence
        },
        policy: policy("flow", n),
        ..account().flows.remove(0)
    };
    whole.flows = (0..Purpose::ALL_PLACES).map(flow).collect();
    let browser = |n| {
        let mut browser = account().browsers.known.remove(0);
        browser.trust.as_mut().unwrap().policy = policy("browser", n);
        browser
    };
    whole.browsers.known = (0..crate::account::MAX_TRUSTED).map(browser).collect();
    for (n, owed) in whole.owed.notices.iter_mut().enumerate() {
        owed.notice.to = address("owed", n);
    }
    assert_eq!(whole.owed.notices.len(), MAX_OWED);
    let verified = |n| (Timestamp::from_secs(2), EventKind::EmailVerified { address: address("verified", n) });
    whole.tail.events = (0..MAX_TAIL).map(verified).collect();

    let keys = ServerKeys::new(keys("01"));
    let record = seal(&mut whole, &user(), Version::FIRST, &keys, &[3; 24]).ok().unwrap();
    assert_eq!(plain(&open(&record, &user(), &keys).unwrap()), plain(&whole));
}

/// Whatever is written can be read: under a policy of a hundred factors the oldest flows make way, or nothing is written.
#[test]
fn record_that_would_be_too_long_is_not_written() {
    let factors = |prefix: &'static str, n: usize| {
        (0..n).map(move |n| Channel::External(ExternalFactor::possession(&format!("{prefix}-{n:03}")).unwrap()))
    };
    let policy = |prefix, n| Policy::all_of(factors(prefix, n), FirstRegistration::WithTicket).unwrap();
    let keys = ServerKeys::new(keys("01"));

    // The same policy is written once, however many flows remember it.
    let mut account = account();
    account.flows = (0..5).map(|_| OpenFlow { policy: policy("f", 100), ..super::account().flows.remove(0) }).collect();
    let record = seal(&mut account, &user(), Version::FIRST, &keys, &[3; 24]).ok().unwrap();
    assert_eq!(open(&record, &user(), &keys).unwrap().flows.len(), 5);

    // Policies that differ are bounded by the flows that make way.
    account.flows = ["a", "b", "c", "d", "e"]
        .map(|prefix| OpenFlow { policy: policy(prefix, 400), ..super::account().flows.remove(0) })
        .into();
    let record = seal(&mut account, &user(), Version::FIRST, &keys, &[3; 24]).ok().unwrap();
    let left = open(&record, &user(), &keys).unwrap().flows;
    assert!(!left.is_empty() && left.len() < 5, "{}", left.len());
    assert_eq!(left.last().unwrap().policy, policy("e", 400), "the newest stays");

    account.flows = [OpenFlow { policy: policy("x", 2000), ..super::account().flows.remove(0) }].into();
    assert!(seal(&mut account, &user(), Version::FIRST, &keys, &[3; 24]).is_err());
}

/// A record of the longest length is written whole; one byte more, and the oldest flow makes way, or nothing is written.
#[test]
fn longest_record_is_written_whole() {
    let keys = ServerKeys::new(keys("01"));
    let sized = |flows: usize, factors: usize, last: usize| {
        let names = (0..factors).map(|n| format!("f-{n:04}")).chain(["x".repeat(last)]);
        let factors = names.map(|name| Channel::External(ExternalFactor::possession(&name).unwrap()));
        let policy = Policy::any_of(factors, FirstRegistration::WithTicket).unwrap();
        let flows =
            (0..flows).map(|_| OpenFlow { policy: policy.clone(), ..super::account().flows.remove(0) }).collect();
        Account { flows, ..super::account() }
    };
    let sealed_len = |account: &Account| HEADER_LEN + encoded_len(account) + TAG_LEN;
    for flows in [1, 2] {
        let first = (0..2_000).find(|n| sealed_len(&sized(flows, *n, 24)) >= Record::MAX_LEN).unwrap();
        let sizes = (first..first + 2).flat_map(|factors| (1..24).map(move |last| (factors, last)));
        let fits = |(factors, last): &(usize, usize)| sealed_len(&sized(flows, *factors, *last)) == Record::MAX_LEN;
        let (factors, last) = { sizes }.find(fits).unwrap();
        let mut longest = sized(flows, factors, last);
        let record = seal(&mut longest, &user(), Version::FIRST, &keys, &[3; 24]).ok().unwrap();
        assert_eq!(record.sealed().len(), Record::MAX_LEN);
        assert_eq!(open(&record, &user(), &keys).unwrap().flows.len(), flows);

        let sealed = seal(&mut sized(flows, factors, last + 1), &user(), Version::FIRST, &keys, &[3; 24]);
        assert_eq!(
            sealed.ok().map(|record| open(&record, &user(), &keys).unwrap().flows.len()),
            (flows > 1).then_some(1)
        );
    }
}

#[test]
fn more_than_can_be_imported_is_not_read() {
    let with = |hashes: usize, len: usize| {
        let mut account = account();
        let imported = Some((0..hashes).map(|_| SecretText::new("h".repeat(len))).collect());
        account.recovery = account.recovery.map(|set| RecoverySet { imported, ..set });
        fields::read(&plain(&account))
    };
    let (most, longest) = (Import::MAX_RECOVERY_CODES, Import::MAX_HASH_LEN);
    assert!(with(most, longest).is_some());
    assert!(with(most + 1, 1).is_none() && with(1, longest + 1).is_none());
}
