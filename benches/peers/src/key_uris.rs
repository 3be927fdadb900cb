//! Key URIs and QR codes.

use std::hint::black_box;

use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::{AccountName, Issuer, KeyUri};

use crate::stopwatch::{Report, with};

const KEY: &[u8; 20] = b"12345678901234567890";

pub(crate) fn measure(report: &mut Report) {
    let (issuer, account) =
        (Issuer::new("ACME Co").expect("valid"), AccountName::new("alice@example.com").expect("valid"));
    let secret = Secret::from_bytes(KEY).expect("20 bytes");
    let write = || KeyUri::totp(&issuer, &account, black_box(&secret), &Totp::default()).expect("T0 is the epoch");
    let peer = totp_rs::Builder::new().with_secret(KEY.as_slice()).with_account_name("alice@example.com");
    let peer = peer.with_issuer(Some("ACME Co")).build().expect("valid");
    let text = write();
    let text = text.expose_secret();

    report.case(
        "write a Key URI",
        vec![with("factorgate", write), with("totp-rs", || black_box(&peer).to_url()).at_most(1.0)],
    );
    report.case(
        "read a Key URI",
        vec![
            with("factorgate", || KeyUri::parse(black_box(text))),
            with("totp-rs", || totp_rs::Totp::from_url(black_box(text))).at_most(1.0),
        ],
    );
    report.case(
        "Key URI and QR code, SVG",
        vec![
            with("factorgate", || write().qr().map(|qr| qr.to_svg())),
            with("totp-rs (PNG)", || black_box(&peer).to_qr_png()).at_most(0.5),
            with("qrcode, the matrix alone", || {
                qrcode::QrCode::with_error_correction_level(black_box(text), qrcode::EcLevel::M)
            }),
            with("fast_qr (SVG)", || {
                let code = fast_qr::QRBuilder::new(black_box(text)).ecl(fast_qr::ECL::M).build();
                code.map(|code| fast_qr::convert::svg::SvgBuilder::default().to_str(&code))
            }),
        ],
    );
}
