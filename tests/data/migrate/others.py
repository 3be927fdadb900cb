"""Makes devise.json and keycloak.json: rows in the formats of devise-two-factor (Ruby) and of Keycloak (Java).

    python3 -m venv venv && venv/bin/pip install bcrypt pyotp
    venv/bin/python tests/data/migrate/others.py tests/data/migrate

They are written by hand from those formats: the models `TwoFactorAuthenticatable` and `TwoFactorBackupable` of the one,
`OTPCredentialModel`, `OTPSecretData` and `RecoveryAuthnCodesUtils` of the other. The codes are computed by pyotp, and
`tests/migrate/recipes.rs` computes them by oathtool as well.
"""

import base64
import hashlib
import json
import pathlib
import sys

import bcrypt
import pyotp

NOW = 1_900_000_000
folder = pathlib.Path(sys.argv[1])


def write(name, value):
    (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def codes(base32, digits=6, digest=hashlib.sha1, period=30):
    totp = pyotp.TOTP(base32, digits=digits, digest=digest, interval=period)
    return [{"at": at, "code": totp.at(at)} for at in (NOW, NOW + 30, NOW + 60, NOW + 120)]


# The least cost that bcrypt has, for the test; Devise uses 12 (its `stretches`), and `$2a$` where others write `$2b$`.
PEPPER = "a pepper of the old application"
PLAIN = ["3f0a9c1be2d47586", "b1946ac92492d234", "00c1d2e3f4a5b697"]
hashes = [bcrypt.hashpw((code + PEPPER).encode(), bcrypt.gensalt(4, prefix=b"2a")).decode() for code in PLAIN]
write(
    "devise.json",
    {
        "otp_secret": "JBSWY3DPEHPK3PXPJBSWY3DP",
        "consumed_timestep": NOW // 30,
        "otp_backup_codes": hashes,
        "pepper": PEPPER,
        "plain": PLAIN,
        "codes": codes("JBSWY3DPEHPK3PXPJBSWY3DP"),
    },
)

VALUE = "ovvGdzuH4E3gM5qwiVvS"
BASE32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA"
RECOVERY = ["Q0RTM4UJ5KSC", "ZW1AVX8B2E7H", "7M3NPLDO0S9G"]


def hashed(code):
    return base64.b64encode(hashlib.sha512(code.encode()).digest()).decode()


write(
    "keycloak.json",
    {
        # Without `secretEncoding` the characters are the key.
        "characters": {
            "user_label": "phone",
            "secret_data": json.dumps({"value": VALUE}),
            "credential_data": json.dumps(
                {"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}
            ),
            "codes": codes(base64.b32encode(VALUE.encode()).decode()),
        },
        "base32": {
            "user_label": "",
            "secret_data": json.dumps({"value": BASE32}),
            "credential_data": json.dumps(
                {
                    "subType": "totp",
                    "digits": 8,
                    "counter": 0,
                    "period": 30,
                    "algorithm": "HmacSHA256",
                    "secretEncoding": "BASE32",
                }
            ),
            "codes": codes(BASE32, digits=8, digest=hashlib.sha256),
        },
        "hotp": {
            "user_label": None,
            "secret_data": json.dumps({"value": VALUE}),
            "credential_data": json.dumps(
                {"subType": "hotp", "digits": 6, "counter": 7, "period": 0, "algorithm": "HmacSHA1"}
            ),
        },
        "recovery": {
            "secret_data": json.dumps(
                {
                    "codes": [
                        {"number": at + 1, "encodedHashedValue": hashed(code)} for at, code in enumerate(RECOVERY)
                    ]
                }
            ),
            "credential_data": json.dumps(
                {"hashIterations": 1, "algorithm": "RS512", "totalCodes": 3, "remainingCodes": 3}
            ),
            "plain": RECOVERY,
        },
    },
)
