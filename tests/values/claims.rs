//! Text that is not that of claims.

use factorgate::session::InvalidClaims;
use factorgate::{SessionClaims, UserId};

const ROW: &str = ";row=abababababababab.00000000000000000000000000000000.ffffffffffffffffffffffffffffffff";

#[test]
fn malformed_claims_are_refused() {
    for text in ["", "fgs1", "fgs1;user=a", "fgs1;epoch=5;user=a", "fgs2;epoch=5;at=9;user=a"] {
        assert_eq!(SessionClaims::from_text(text), Err(InvalidClaims), "{text}");
    }
    let good = format!("fgs1;epoch=5;at=9;number=7{ROW};user=a");
    assert!(SessionClaims::from_text(&good).is_ok());
    for (from, to) in [
        ("epoch=5;at=9", "at=9;epoch=5"),
        ("epoch=5", "epoch=5;epoch=5"),
        ("epoch=5", "epoch=05"),
        ("epoch=5", "epoch=+5"),
        ("epoch=5", "epoch=-5"),
        ("epoch=5", "epoch=18446744073709551616"),
        ("number=7;", ""),
        ("row=ab", "row=AB"),
        ("row=ab", "row="),
        (".00", "."),
        (".00", ".0000"),
        (".ff", "."),
        (";user=a", ".00;user=a"),
        (";user=a", ";user="),
        (";user=a", ";;user=a"),
        (";user=a", ";app=1;user=a"),
        (";user=a", ";admin=1;user=a"),
        (";user=a", ";email=1;user=a"),
        (";user=a", ";email=1@1;user=a"),
        (";user=a", ";email=a@b@x;user=a"),
        (";user=a", ";external=possession:push:sms+otp@1;user=a"),
        (";user=a", ";external=possession:push:otp@1;external=possession:push:otp@1;user=a"),
        (";user=a", ";external=possession:push:otp;user=a"),
        (";user=a", ";external=possession:push:pin@1;user=a"),
        (";user=a", ";external=possession:Push:otp@1;user=a"),
        (";user=a", ";external=phishing-resistant:passkey:otp@1;user=a"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert_eq!(SessionClaims::from_text(&bad), Err(InvalidClaims), "{bad}");
    }
    let long = good.replace("user=a", &format!("user={}", "a".repeat(UserId::MAX_LEN + 1)));
    assert_eq!(SessionClaims::from_text(&long), Err(InvalidClaims));
}
