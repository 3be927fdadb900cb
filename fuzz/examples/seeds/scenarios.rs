//! One scenario for each rule.

use crate::act::Act::{self, *};

const RIGHT: u8 = 1;
const NO_BROWSER: u8 = 0;

/// Registers the first device after an e-mail code.
const ENROLL: &[Act] = &[
    ChangePolicy { to: 4 },
    Begin { browser: NO_BROWSER },
    EmailCode { which: 1 },
    ConfirmApp { right: RIGHT },
    Advance { by: 3 },
];
const SIGN_IN: &[Act] = &[
    ChangePolicy { to: 3 },
    Begin { browser: NO_BROWSER },
    AppCode { device: 0, steps_off: 0, right: RIGHT },
    CheckSession { session: 0xef },
    Advance { by: 3 },
];
const STEP_UP: &[Act] =
    &[BeginStepUp { session: 0, freshness: 0 }, AppCode { device: 0, steps_off: 0, right: RIGHT }, Advance { by: 3 }];
const RECOVERY_CODES: &[Act] = &[MakeRecoveryCodes { confirm: 0 }, MakeRecoveryCodes { confirm: 2 }, RaiseSession];
const RECOVER: &[Act] =
    &[Begin { browser: NO_BROWSER }, RecoveryCode { code: 0, right: RIGHT }, CheckSession { session: 0 }];
const IMPORT: &[Act] = &[Import { devices: 1, plain: 2, hashed: 2, last_step_off: 0xfe }];
const WRONG: &[Act] = &[AppCode { device: 0, steps_off: 0, right: 0 }; 3];

pub fn all() -> Vec<(&'static str, Vec<&'static [Act]>)> {
    vec![
        ("password-alone", vec![&[Begin { browser: 0 }, CheckSession { session: 0 }, ChangePolicy { to: 1 }]]),
        (
            "policy-made-stricter",
            vec![&[
                Begin { browser: 0 },
                ChangePolicy { to: 1 },
                CheckSession { session: 0 },
                BeginCompletion { session: 0 },
                EmailCode { which: 1 },
                CheckSession { session: 0 },
                ChangePolicy { to: 9 },
                BeginCompletion { session: 0 },
                ConfirmApp { right: RIGHT },
                CheckSession { session: 0 },
            ]],
        ),
        (
            "email-codes",
            vec![&[
                ChangePolicy { to: 1 },
                Begin { browser: 0 },
                EmailCode { which: 0 },
                SendEmail,
                Advance { by: 3 },
                SendEmail,
                EmailCode { which: 2 },
                EmailCode { which: 1 },
                EmailCode { which: 1 },
                Begin { browser: 0 },
                Advance { by: 8 },
                EmailCode { which: 1 },
            ]],
        ),
        (
            "mail-refused",
            vec![&[
                FailMail { how: 1 },
                ChangePolicy { to: 1 },
                Begin { browser: 0 },
                EmailCode { which: 1 },
                FailMail { how: 2 },
                SendEmail,
                FailMail { how: 0 },
                EmailCode { which: 1 },
            ]],
        ),
        ("first-device", vec![ENROLL, SIGN_IN, &[HoldSession { session: 0 }, Resume, Cancel]]),
        (
            "ticket",
            vec![&[
                ChangePolicy { to: 2 },
                IssueTicket,
                Begin { browser: 0 },
                Ticket { right: 0 },
                Ticket { right: RIGHT },
                ConfirmApp { right: 0 },
                ConfirmApp { right: RIGHT },
                Begin { browser: 0 },
                Ticket { right: RIGHT },
            ]],
        ),
        (
            "replay",
            vec![
                ENROLL,
                SIGN_IN,
                &[
                    Begin { browser: 0 },
                    AppCode { device: 0, steps_off: 0xff, right: RIGHT },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    Begin { browser: 0 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                ],
            ],
        ),
        (
            "lock",
            vec![
                ENROLL,
                &[Begin { browser: 0 }],
                WRONG,
                WRONG,
                &[
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    Advance { by: 5 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                ],
            ],
        ),
        (
            "choose-device",
            vec![
                &[Import { devices: 2, plain: 0, hashed: 0, last_step_off: 0xf0 }, Begin { browser: 0 }],
                WRONG,
                &[AppCodeOf { device: 1, named: 1, steps_off: 0 }],
            ],
        ),
        (
            "malformed",
            vec![
                ENROLL,
                &[
                    Begin { browser: 0 },
                    Malformed { what: 0 },
                    Malformed { what: 1 },
                    Malformed { what: 2 },
                    Malformed { what: 4 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                ],
            ],
        ),
        (
            "second-device",
            vec![
                ENROLL,
                &[
                    BeginRegistration { session: 0 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    Advance { by: 3 },
                    RegisterApp { replace: 0 },
                    ConfirmApp { right: RIGHT },
                    CheckSession { session: 0 },
                ],
            ],
        ),
        (
            "replace-device",
            vec![
                ENROLL,
                &[
                    BeginRegistration { session: 0 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    RegisterApp { replace: 4 },
                    RegisterApp { replace: 7 },
                    ConfirmApp { right: RIGHT },
                    CheckSession { session: 0 },
                ],
            ],
        ),
        (
            "recovery",
            vec![
                ENROLL,
                STEP_UP,
                RECOVERY_CODES,
                RECOVER,
                &[
                    BeginCompletion { session: 0xef },
                    BeginCompletion { session: 1 },
                    RegisterApp { replace: 4 },
                    ConfirmApp { right: RIGHT },
                    CheckSession { session: 0 },
                    Begin { browser: 0 },
                    RecoveryCode { code: 0, right: RIGHT },
                    RecoveryCode { code: 1, right: 0 },
                ],
            ],
        ),
        (
            "recovered-session",
            vec![
                ENROLL,
                STEP_UP,
                RECOVERY_CODES,
                &[SignOutElsewhere { session: 0 }],
                RECOVER,
                &[
                    BeginCompletion { session: 1 },
                    AppCode { device: 0, steps_off: 1, right: RIGHT },
                    CheckSession { session: 1 },
                ],
            ],
        ),
        (
            "imported",
            vec![
                IMPORT,
                &[
                    Begin { browser: 0 },
                    RecoveryCode { code: 0, right: RIGHT },
                    Begin { browser: 0 },
                    RecoveryCode { code: 2, right: RIGHT },
                    Begin { browser: 0 },
                    RecoveryCode { code: 2, right: RIGHT },
                    RecoveryCode { code: 0, right: RIGHT },
                    RecoveryCode { code: 0, right: 0 },
                    RecoveryCode { code: 3, right: RIGHT },
                ],
            ],
        ),
        (
            "hash-at-the-last-guess",
            vec![
                IMPORT,
                &[Begin { browser: 0 }, RecoveryCode { code: 0, right: 0 }],
                &[RecoveryCode { code: 0, right: 0 }; 3],
                &[RecoveryCode { code: 2, right: RIGHT }, RecoveryCode { code: 3, right: RIGHT }],
            ],
        ),
        (
            "external-factors",
            vec![&[
                RegisterExternalByAdmin { factor: 1 },
                Begin { browser: 0 },
                ExternalFailed { factor: 1 },
                External { factor: 1, secs_ago: 5 },
                External { factor: 1, secs_ago: 0 },
                BeginRegistration { session: 0 },
                External { factor: 1, secs_ago: 0 },
                External { factor: 0, secs_ago: 0 },
                BeginStepUp { session: 0, freshness: 2 },
                RemoveExternal { factor: 1 },
                CheckSession { session: 0 },
            ]],
        ),
        (
            "remove-device",
            vec![
                IMPORT,
                SIGN_IN,
                STEP_UP,
                &[
                    RenameDevice { device: 0 },
                    RemoveDevice { device: 1 },
                    RemoveDevice { device: 0 },
                    CheckSession { session: 0 },
                    BeginStepUp { session: 0, freshness: 2 },
                    RemoveDevice { device: 0 },
                ],
            ],
        ),
        (
            "address-change",
            vec![
                ENROLL,
                STEP_UP,
                &[
                    PermitAddressChange,
                    ChangePolicy { to: 1 },
                    Begin { browser: 0 },
                    FinishAddressChange { to: 1 },
                    CheckSession { session: 0 },
                    BeginOfStaleRow { row: 0 },
                    CheckSessionOfStaleRow { session: 0, row: 0 },
                    ChangePolicy { to: 4 },
                    Begin { browser: 0 },
                    AppCode { device: 0, steps_off: 1, right: RIGHT },
                ],
            ],
        ),
        (
            "address-change-never-finished",
            vec![
                ENROLL,
                STEP_UP,
                &[
                    PermitAddressChange,
                    ChangeAddress { to: 2, reported: 0 },
                    CheckSession { session: 0 },
                    Begin { browser: 0 },
                    SetBack { by: 11 },
                    Begin { browser: 0 },
                ],
            ],
        ),
        (
            "address-changed-by-administrator",
            vec![
                ENROLL,
                &[
                    Begin { browser: 0 },
                    ChangeAddress { to: 1, reported: 1 },
                    EmailCode { which: 1 },
                    BeginOfStaleRow { row: 0 },
                    Begin { browser: 0 },
                ],
            ],
        ),
        (
            "password-change",
            vec![
                ENROLL,
                SIGN_IN,
                &[
                    ChangePassword { reported: 1, session: 0 },
                    CheckSession { session: 0 },
                    CheckSession { session: 1 },
                    BeginOfStaleRow { row: 0 },
                    Begin { browser: 0 },
                    ChangePassword { reported: 0, session: 0 },
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    CheckSessionOfStaleRow { session: 0, row: 1 },
                    ChangePassword { reported: 2, session: 0 },
                    BeginOfStaleRow { row: 1 },
                ],
            ],
        ),
        (
            "trusted-browser",
            vec![
                ENROLL,
                SIGN_IN,
                &[
                    Trust { session: 1 },
                    Begin { browser: 1 },
                    Begin { browser: 2 },
                    Advance { by: 3 },
                    Begin { browser: 1 },
                    CheckSession { session: 2 },
                    Begin { browser: 2 },
                    Advance { by: 3 },
                    Begin { browser: 2 },
                    RevokeBrowser { browser: 0, session: 1 },
                ],
            ],
        ),
        (
            "trusted-browser-of-another-row",
            vec![
                ENROLL,
                SIGN_IN,
                &[Trust { session: 1 }, ChangePassword { reported: 0, session: 0 }, Begin { browser: 1 }],
            ],
        ),
        (
            "stricter-policy-ends-trust",
            vec![ENROLL, SIGN_IN, &[Trust { session: 1 }, ChangePolicy { to: 4 }, Begin { browser: 1 }]],
        ),
        (
            "other-session",
            vec![
                ENROLL,
                SIGN_IN,
                &[
                    BeginStepUp { session: 0, freshness: 0 },
                    UseOtherSession,
                    AppCode { device: 0, steps_off: 0, right: RIGHT },
                    BeginStepUp { session: 1, freshness: 1 },
                ],
            ],
        ),
        (
            "sign-out-elsewhere",
            vec![
                ENROLL,
                SIGN_IN,
                &[
                    HoldSession { session: 0 },
                    SignOutElsewhere { session: 1 },
                    CheckSession { session: 0 },
                    BeginRegistration { session: 0xf0 },
                    EndSessions,
                    CheckSession { session: 1 },
                ],
            ],
        ),
        (
            "grace",
            vec![&[
                ChangePolicy { to: 5 },
                Begin { browser: 0 },
                CheckSession { session: 0 },
                Advance { by: 10 },
                CheckSession { session: 0 },
                Advance { by: 11 },
                CheckSession { session: 0 },
                BeginCompletion { session: 0 },
            ]],
        ),
        (
            "exemption",
            vec![&[
                ChangePolicy { to: 4 },
                Exempt { from_hours: 0xff, hours: 2 },
                Begin { browser: 0 },
                CheckSession { session: 0 },
                WithdrawExemption,
                CheckSession { session: 0 },
                Exempt { from_hours: 0, hours: 1 },
                Advance { by: 7 },
                Advance { by: 7 },
                CheckSession { session: 0 },
            ]],
        ),
        ("reset", vec![ENROLL, &[Reset, CheckSession { session: 0 }, Begin { browser: 0 }, Ticket { right: RIGHT }]]),
        (
            "erase",
            vec![
                ENROLL,
                STEP_UP,
                &[
                    Erase { by_user: 1 },
                    CheckSession { session: 0 },
                    Begin { browser: 0 },
                    Exempt { from_hours: 0, hours: 9 },
                    RegisterExternalByAdmin { factor: 0 },
                    Import { devices: 0, plain: 1, hashed: 0, last_step_off: 0 },
                    IssueTicket,
                    Reset,
                    Erase { by_user: 0 },
                    ForgetTombstone,
                    Begin { browser: 0 },
                ],
            ],
        ),
        (
            "owed-notices",
            vec![
                &[FailMail { how: 1 }],
                IMPORT,
                &[Begin { browser: 0 }],
                WRONG,
                &[
                    Reset,
                    RegisterExternalByAdmin { factor: 0 },
                    Advance { by: 5 },
                    FailMail { how: 2 },
                    DeliverOwed,
                    FailMail { how: 0 },
                    SetBack { by: 5 },
                    DeliverOwed,
                    Advance { by: 5 },
                    Advance { by: 5 },
                    DeliverOwed,
                ],
            ],
        ),
        (
            "more-notices-than-are-kept",
            vec![&[FailMail { how: 1 }], &[Reset; 14], &[FailMail { how: 0 }, Advance { by: 5 }]],
        ),
        (
            "clock-ahead",
            vec![
                ENROLL,
                &[Advance { by: 10 }, Begin { browser: 0 }],
                WRONG,
                WRONG,
                &[
                    SetBack { by: 10 },
                    Begin { browser: 0 },
                    AppCode { device: 0, steps_off: 1, right: RIGHT },
                    CheckSession { session: 0 },
                ],
            ],
        ),
        ("worn-out", vec![ENROLL, &[WearOut { what: 0 }, Begin { browser: 0 }, Reset]]),
        ("worn-out-codes", vec![IMPORT, &[WearOut { what: 2 }, Begin { browser: 0 }]]),
    ]
}
