//! QR codes (ISO/IEC 18004) of Key URIs, as a picture that needs neither script nor style nor a service.

use core::fmt;
use core::fmt::Write as _;
use std::string::String;
use std::vec::Vec;

use qrcode::{Color, EcLevel};
use zeroize::Zeroizing;

/// The light modules that must surround the symbol on each side.
const QUIET_ZONE: usize = 4;

/// A QR code that carries a secret, at error correction level M.
///
/// Whoever sees it has the secret. It is wiped on drop and hidden in `Debug`; the pictures that are made of it,
/// and what the encoder used on its way, are not wiped.
///
/// ```
/// use factorgate::otp::Totp;
/// use factorgate::otpauth::{AccountName, Issuer, KeyUri};
/// use factorgate::{OsRandom, Secret};
///
/// let secret = Secret::generate(&OsRandom)?;
/// let (issuer, account) = (Issuer::new("ACME Co")?, AccountName::new("alice@example.com")?);
/// let qr = KeyUri::totp(&issuer, &account, &secret, &Totp::default())?.qr()?;
/// assert!(qr.to_svg().starts_with("<svg "));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct QrCode {
    modules: Zeroizing<Vec<bool>>,
    width: usize,
}

impl QrCode {
    /// Encodes `text` in the smallest symbol that holds it.
    pub(crate) fn encode(text: &str) -> Result<Self, QrTooLong> {
        // The encoder takes any bytes and chooses the version itself: no other error is left.
        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrTooLong)?;
        let width = code.width();
        let modules = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Self { modules: Zeroizing::new(modules), width })
    }

    /// The number of modules on each side, without the quiet zone.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether the module in column `x` and row `y` is dark. Outside of the symbol all is light.
    #[must_use]
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.width && self.modules.get(y * self.width + x).is_some_and(|&dark| dark)
    }

    /// The code as an SVG picture, dark on a light ground with the quiet zone around it.
    ///
    /// It can stand in a page as it is, or be served as `image/svg+xml`. It holds no style, no script and no
    /// reference, so that the strictest Content-Security-Policy shows it; its size is that of the element it
    /// stands in. Its title, which a screen reader reads, says what it is and holds no secret. Beside it show the
    /// secret as text ([`KeyUri::secret_base32`](crate::otpauth::KeyUri::secret_base32)) for those who can't
    /// scan.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let side = self.width + 2 * QUIET_ZONE;
        let mut svg = String::with_capacity(512 + self.width * self.width * 2);
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" \
             shape-rendering=\"crispEdges\"><title>QR code for an authenticator app</title>\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path stroke=\"#000\" d=\""
        );
        for y in 0..self.width {
            // Each row is a pen that moves and draws through the middle of the modules.
            let mut x = 0;
            let mut pen = None;
            while x < self.width {
                let run = (x..self.width).take_while(|&x| self.is_dark(x, y)).count();
                if run > 0 {
                    let _ = match pen {
                        None => write!(svg, "M{} {}.5h{run}", x + QUIET_ZONE, y + QUIET_ZONE),
                        Some(pen) => write!(svg, "m{} 0h{run}", x - pen),
                    };
                    pen = Some(x + run);
                }
                x += run.max(1);
            }
        }
        svg.push_str("\"/></svg>");
        svg
    }

    /// The code as text of half blocks, two rows of modules in one line, with the quiet zone around it.
    ///
    /// Dark modules are drawn in the color of the text. So it is to be shown as dark text on a light ground:
    /// light text on a dark ground gives the negative, which not every app reads. On a terminal, set the colors:
    /// `print!("\x1b[30;107m{}\x1b[0m", qr.to_unicode())`.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        let side = self.width + 2 * QUIET_ZONE;
        let mut text = String::with_capacity(side * (side + 2) * 2);
        // Within the quiet zone on the left and above, the subtraction goes to the far side of all numbers.
        let dark = |x: usize, y: usize| self.is_dark(x.wrapping_sub(QUIET_ZONE), y.wrapping_sub(QUIET_ZONE));
        for y in (0..side).step_by(2) {
            for x in 0..side {
                text.push(match (dark(x, y), dark(x, y + 1)) {
                    (false, false) => ' ',
                    (false, true) => '▄',
                    (true, false) => '▀',
                    (true, true) => '█',
                });
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QrCode({0}x{0})", self.width)
    }
}

/// A text that is too long for a QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct QrTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "otpauth://totp/ACME%20Co:alice%40example.com\
                       ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME%20Co&padded=123456";

    #[test]
    fn a_usual_uri_is_a_small_picture() {
        assert_eq!(URI.len(), 115);
        let svg = QrCode::encode(URI).unwrap().to_svg();
        assert!(svg.len() <= 4096, "{} bytes", svg.len());
        assert_eq!((svg.matches("<path").count(), svg.matches("<rect").count()), (1, 1));
        assert!(svg.contains("role=\"img\"") && svg.contains("<title>QR code for an authenticator app</title>"));
        for forbidden in ["style", "script", "href", "secret", "GEZD", "otpauth"] {
            assert!(!svg.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn outside_of_the_symbol_all_is_light() {
        let qr = QrCode::encode(URI).unwrap();
        assert!(qr.is_dark(0, 0) && !qr.is_dark(qr.width(), 0) && !qr.is_dark(0, qr.width()));
        assert!(!qr.is_dark(usize::MAX, 0) && !qr.is_dark(usize::MAX, usize::MAX));
    }

    #[test]
    fn the_text_has_the_modules_in_it() {
        let qr = QrCode::encode(URI).unwrap();
        let lines: Vec<Vec<char>> = qr.to_unicode().lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), (qr.width() + 8).div_ceil(2));
        for y in 0..qr.width() + 8 {
            assert_eq!(lines[y / 2].len(), qr.width() + 8);
            for (x, &block) in lines[y / 2].iter().enumerate() {
                let drawn = if y % 2 == 0 { "▀█" } else { "▄█" }.contains(block);
                assert_eq!(drawn, x >= 4 && y >= 4 && qr.is_dark(x - 4, y - 4), "{x} {y}");
            }
        }
    }

    #[test]
    fn too_long_a_text_is_refused() {
        assert_eq!(QrCode::encode(&"a".repeat(2332)).err(), Some(QrTooLong));
        assert!(QrCode::encode(&"a".repeat(2331)).is_ok());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(std::format!("{:?}", QrCode::encode("otpauth://").unwrap()), "QrCode(21x21)");
    }
}
