//! How far from the present step a code may be.

/// How many steps before and after the present one a code may be right for.
///
/// The past bears with slow typing and a slow clock, the future with a fast clock. The default is one step
/// each way: a code of 30 seconds is then accepted for 90 (see
/// [`Totp::accepted_lifetime`](super::Totp::accepted_lifetime)). RFC 6238 section 5.2 recommends no more than one step
/// back.
///
/// ```
/// use factorgate::otp::Window;
///
/// assert_eq!(Window::new(1, 1)?, Window::default());
/// assert!(Window::new(0, 11).is_err());
/// # Ok::<_, factorgate::otp::InvalidWindow>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    past: u8,
    future: u8,
}

impl Window {
    /// The greatest number of steps each way.
    pub const MAX: u8 = 10;

    /// `past` steps back and `future` steps ahead; zero means the present step only.
    ///
    /// # Errors
    ///
    /// [`InvalidWindow`] if one of them is greater than [`Window::MAX`].
    pub const fn new(past: u8, future: u8) -> Result<Self, InvalidWindow> {
        if past > Self::MAX || future > Self::MAX {
            return Err(InvalidWindow);
        }
        Ok(Self { past, future })
    }

    /// How many steps back.
    #[must_use]
    pub const fn past(self) -> u8 {
        self.past
    }

    /// How many steps ahead.
    #[must_use]
    pub const fn future(self) -> u8 {
        self.future
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { past: 1, future: 1 }
    }
}

/// A window that is wider than [`Window::MAX`] steps each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window reaches at most 10 steps back and 10 ahead")]
pub struct InvalidWindow;
