//! QR codes (ISO/IEC 18004) of Key URIs, as a picture that needs neither script nor style nor a service.

mod mask;
#[cfg(feature = "png")]
mod png;

use core::fmt;
use core::fmt::Write as _;
use std::string::String;
use std::vec::Vec;

use qrcode::canvas::Canvas;
use qrcode::{Color, EcLevel, bits, ec};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// The light modules that must surround the symbol on each side.
const QUIET_ZONE: usize = 4;

/// A QR code that carries a secret, at error correction level M.
///
/// Whoever sees it has the secret. It is wiped on drop and hidden in `Debug`, and so are the `data:` URIs that are
/// made of it; the other pictures, and what the encoder used on its way, are not wiped.
///
/// ```
/// use factorgate::otp::Totp;
/// use factorgate::otpauth::{AccountName, Issuer, KeyUri};
/// use factorgate::{env::OsRandom, otp::Secret};
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
        let bits = bits::encode_auto(text.as_bytes(), EcLevel::M).map_err(|_| QrTooLong)?;
        let version = bits.version();
        let bytes = Zeroizing::new(bits.into_bytes());
        let (data, correction) = ec::construct_codewords(&bytes, version, EcLevel::M).map_err(|_| QrTooLong)?;
        let (data, correction) = (Zeroizing::new(data), Zeroizing::new(correction));
        let mut canvas = Canvas::new(version, EcLevel::M);
        canvas.draw_all_functional_patterns();
        canvas.draw_data(&data, &correction);
        // From 21 to 177.
        let width = version.width().unsigned_abs().into();
        canvas.apply_mask(mask::best_mask(&canvas, width));
        let modules = canvas.into_colors().into_iter().map(|color| color == Color::Dark).collect();
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
        self.row(y).get(x).is_some_and(|&dark| dark)
    }

    /// The modules of row `y`; none outside of the symbol.
    fn row(&self, y: usize) -> &[bool] {
        self.modules.chunks(self.width).nth(y).unwrap_or_default()
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
        for (y, row) in self.modules.chunks(self.width).enumerate() {
            // Each row is a pen that moves and draws through the middle of the modules.
            let mut x = 0;
            let mut pen = None;
            for run in row.chunk_by(|one, next| one == next) {
                if run.first() == Some(&true) {
                    match pen {
                        None => {
                            push_number(&mut svg, 'M', x + QUIET_ZONE);
                            push_number(&mut svg, ' ', y + QUIET_ZONE);
                            svg.push_str(".5");
                        }
                        Some(pen) => {
                            push_number(&mut svg, 'm', x - pen);
                            svg.push_str(" 0");
                        }
                    }
                    push_number(&mut svg, 'h', run.len());
                    pen = Some(x + run.len());
                }
                x += run.len();
            }
        }
        svg.push_str("\"/></svg>");
        svg
    }

    /// The picture of [`QrCode::to_svg`] as a `data:` URI (RFC 2397), to be the `src` of an `<img>`.
    ///
    /// A page that shows it needs `img-src data:` in its Content-Security-Policy. Give the `<img>` a size and an `alt`,
    /// for the title of the picture is not read there.
    #[must_use]
    pub fn to_svg_data_uri(&self) -> SecretText {
        let svg = Zeroizing::new(self.to_svg());
        // Three characters for each at most: a string that grows leaves its old text behind.
        let mut uri = String::with_capacity(32 + 3 * svg.len());
        uri.push_str("data:image/svg+xml,");
        for byte in svg.bytes() {
            // Letters, digits and what RFC 3986 allows in a path and no template escapes.
            if byte.is_ascii_alphanumeric() || b"-._~:/=".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
        SecretText::new(uri)
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

/// Writes `letter` and a number below 1000, without the time that `write!` takes for it.
fn push_number(text: &mut String, letter: char, number: usize) {
    text.push(letter);
    for unit in [100, 10, 1] {
        if number >= unit || unit == 1 {
            text.push(char::from(b'0' + (number / unit % 10) as u8));
        }
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
    fn the_symbol_is_that_of_the_crate_which_tries_each_mask_by_itself() {
        // A text for each few lengths, up to the longest Key URI: every version, and every mask.
        let mut random = 1_u64;
        let mut text = String::from("otpauth://totp/");
        let mut compared = 0;
        while text.len() <= crate::otpauth::KeyUri::MAX_LEN {
            let theirs = qrcode::QrCode::with_error_correction_level(&text, EcLevel::M).unwrap().into_colors();
            let theirs: Vec<bool> = theirs.into_iter().map(|color| color == Color::Dark).collect();
            assert!(*QrCode::encode(&text).unwrap().modules == theirs, "{} bytes", text.len());
            compared += 1;
            for _ in 0..5 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push(char::from(b'0' + (random >> 33) as u8 % 75));
            }
        }
        assert!(compared > 400, "{compared}");
    }

    #[test]
    #[cfg(feature = "png")]
    fn a_png_is_small_and_its_scale_is_bounded() {
        let qr = QrCode::encode(URI).unwrap();
        let side = |png: &[u8]| u32::from_be_bytes(png[16..20].try_into().unwrap()) as usize;
        for (asked, drawn) in [(0, 1), (1, 1), (2, 2), (3, 3), (8, 8), (16, 16), (17, 16), (255, 16)] {
            let png = qr.to_png(asked);
            assert_eq!(side(&png), (qr.width() + 8) * drawn);
            assert!(png.len() <= 2048, "{asked}: {} bytes", png.len());
        }
        let largest = QrCode::encode(&"a".repeat(2331)).unwrap();
        assert_eq!(side(&largest.to_png(16)), 185 * 16);
        let uri = qr.to_png_data_uri(8);
        assert!(uri.expose_secret().starts_with("data:image/png;base64,iVBORw0KGgo"));
        assert!(uri.expose_secret().len() <= 3000);
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in 0..1000 {
            let mut text = String::new();
            push_number(&mut text, 'h', number);
            assert_eq!(text, std::format!("h{number}"));
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
