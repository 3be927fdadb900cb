//! What several scenarios have in common.

use crate::act::Act::{self, *};

pub const RIGHT: u8 = 1;
pub const NO_BROWSER: u8 = 0;

/// Registers the first device after an e-mail code.
pub const ENROLL: &[Act] = &[
    ChangePolicy { to: 4 },
    Begin { browser: NO_BROWSER },
    EmailCode { which: 1 },
    ConfirmApp { right: RIGHT },
    Advance { by: 3 },
];
pub const SIGN_IN: &[Act] = &[
    ChangePolicy { to: 3 },
    Begin { browser: NO_BROWSER },
    AppCode { device: 0, steps_off: 0, right: RIGHT },
    CheckSession { session: 0xef },
    Advance { by: 3 },
];
pub const STEP_UP: &[Act] =
    &[BeginStepUp { session: 0, freshness: 0 }, AppCode { device: 0, steps_off: 0, right: RIGHT }, Advance { by: 3 }];
pub const RECOVERY_CODES: &[Act] = &[MakeRecoveryCodes { confirm: 0 }, MakeRecoveryCodes { confirm: 2 }, RaiseSession];
pub const RECOVER: &[Act] =
    &[Begin { browser: NO_BROWSER }, RecoveryCode { code: 0, right: RIGHT }, CheckSession { session: 0 }];
pub const IMPORT: &[Act] = &[Import { devices: 1, plain: 2, hashed: 2, last_step_off: 0xfe }];
pub const APP_ALONE: &[Act] = &[ChangePolicy { to: 9 }];
pub const WRONG: &[Act] = &[AppCode { device: 0, steps_off: 0, right: 0 }; 3];
/// Five wrong codes in a new login, and the hour that locks last at most.
pub const GUESSES: &[Act] = &[
    Begin { browser: NO_BROWSER },
    AppCode { device: 0, steps_off: 0, right: 0 },
    AppCode { device: 0, steps_off: 0, right: 0 },
    AppCode { device: 0, steps_off: 0, right: 0 },
    AppCode { device: 0, steps_off: 0, right: 0 },
    AppCode { device: 0, steps_off: 0, right: 0 },
    Advance { by: 7 },
];
/// Signs in by a code that is mailed, from a new browser.
pub const BY_MAIL: &[Act] = &[Begin { browser: NO_BROWSER }, EmailCode { which: 1 }, Advance { by: 3 }];
