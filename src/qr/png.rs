//! The picture as PNG, for where SVG is not shown: mail programs, native windows.

use std::string::String;
use std::vec;
use std::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{QUIET_ZONE, QrCode};
use crate::secret::SecretText;

impl QrCode {
    /// The most pixels that [`QrCode::to_png`] draws on each side of a module.
    pub const MAX_PIXELS_PER_MODULE: u8 = 16;

    /// The code as a PNG picture in black and white, with the quiet zone around it.
    ///
    /// Each module is a square of `pixels_per_module` pixels on each side, held between 1 and
    /// [`QrCode::MAX_PIXELS_PER_MODULE`]; 8 suits a page. Show it at its own size or at a whole multiple of it, without
    /// smoothing (`image-rendering: pixelated`).
    ///
    /// ```
    /// # use factorgate::{env::OsRandom, otp::Secret, otp::Totp, otpauth::{AccountName, Issuer, KeyUri}};
    /// # let (issuer, account) = (Issuer::new("ACME Co")?, AccountName::new("alice@example.com")?);
    /// # let uri = KeyUri::totp(&issuer, &account, &Secret::generate(&OsRandom)?, &Totp::default())?;
    /// let png = uri.qr()?.to_png(8);
    /// assert!(png.starts_with(b"\x89PNG"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_png(&self, pixels_per_module: u8) -> Vec<u8> {
        let scale = usize::from(pixels_per_module.clamp(1, Self::MAX_PIXELS_PER_MODULE));
        let side = (self.width + 2 * QUIET_ZONE) * scale;
        // One bit for each pixel, the leftmost in the highest bit; a set bit is white.
        let row_len = side.div_ceil(8);
        let mut pixels = Zeroizing::new(vec![0xff; row_len * side]);
        for (y, row) in pixels.chunks_mut(row_len).enumerate() {
            let modules = self.row((y / scale).wrapping_sub(QUIET_ZONE));
            for (x, _) in modules.iter().enumerate().filter(|(_, dark)| **dark) {
                let begin = (x + QUIET_ZONE) * scale;
                for x in begin..begin + scale {
                    if let Some(byte) = row.get_mut(x / 8) {
                        *byte &= !(0x80 >> (x % 8));
                    }
                }
            }
        }
        let mut png = Vec::new();
        // At most 185 modules of 16 pixels.
        let mut encoder = png::Encoder::new(&mut png, side as u32, side as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_compression(png::Compression::High);
        // A row is mostly the one above it.
        encoder.set_filter(png::Filter::Up);
        // The size is not zero, the pixels are as many as it says, and a vector takes every byte: nothing else can fail.
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        written.expect("a picture of this size can be written to a vector");
        png
    }

    /// The PNG picture of [`QrCode::to_png`] as a `data:` URI (RFC 2397), to be the `src` of an `<img>`.
    ///
    /// A page that shows it needs `img-src data:` in its Content-Security-Policy.
    #[must_use]
    pub fn to_png_data_uri(&self, pixels_per_module: u8) -> SecretText {
        const PREFIX: &str = "data:image/png;base64,";
        let png = Zeroizing::new(self.to_png(pixels_per_module));
        // Long enough from the beginning: a string that grows leaves its old text behind.
        let mut uri = String::with_capacity(PREFIX.len() + png.len().div_ceil(3) * 4);
        uri.push_str(PREFIX);
        STANDARD.encode_string(png.as_slice(), &mut uri);
        SecretText::new(uri)
    }
}
