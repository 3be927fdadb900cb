"""Makes django.json: rows as django-otp keeps them, and the codes that its users' apps show.

    python3 -m venv venv && venv/bin/pip install Django==5.2.* django-otp==1.7.5 pyotp
    venv/bin/python tests/data/migrate/rows_of_django.py > tests/data/migrate/django.json

The rows come from the library's own models on a database in memory, after its own verification has accepted a code; the
codes are computed by pyotp, which knows nothing of it.
"""

import json
from base64 import b32encode
from unittest import mock

import django
from django.conf import settings

NOW = 1_900_000_000

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django_otp",
        "django_otp.plugins.otp_totp",
        "django_otp.plugins.otp_static",
    ],
    USE_TZ=True,
)
django.setup()

import pyotp  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django_otp.plugins.otp_static.models import StaticDevice  # noqa: E402
from django_otp.plugins.otp_totp.models import TOTPDevice  # noqa: E402

call_command("migrate", verbosity=0)


def code(device, at):
    totp = pyotp.TOTP(b32encode(device.bin_key).decode(), digits=device.digits, interval=device.step)
    return totp.at(at - device.t0)


def verify(device, at, shown_at):
    with mock.patch("time.time", return_value=at):
        assert device.verify_token(code(device, shown_at))


users = {}
for name, settings_of, tokens in [
    # The key of RFC 6238, with the default settings; the app's clock is a step ahead.
    ("alice", [{"name": "default", "key": b"12345678901234567890".hex()}], ["6pjh5sm3", "zmb4qv2x"]),
    # Other settings, a short key, and a second device whose registration was never confirmed.
    (
        "bob",
        [
            {"name": "Pixel", "key": "00ff" * 7, "step": 60, "t0": 1_234_567, "digits": 8},
            {"name": "never scanned", "key": "ab" * 20, "confirmed": False},
        ],
        [],
    ),
]:
    user = User.objects.create(username=name)
    static = StaticDevice.objects.create(user=user, name="backup")
    for token in tokens:
        static.token_set.create(token=token)
    for row in settings_of:
        TOTPDevice.objects.create(user=user, **row)
    if name == "alice":
        verify(TOTPDevice.objects.get(user=user), NOW, NOW + 30)
    fields = ["name", "key", "step", "t0", "digits", "tolerance", "drift", "last_t", "confirmed"]
    devices = list(TOTPDevice.objects.filter(user=user).order_by("id"))
    users[name] = {
        "otp_totp_totpdevice": [{field: getattr(device, field) for field in fields} for device in devices],
        "otp_static_statictoken": [token.token for token in static.token_set.order_by("id")],
        "codes": [{"at": at, "code": code(devices[0], at)} for at in (NOW, NOW + 30, NOW + 60, NOW + 120)],
    }

print(json.dumps({"now": NOW, "users": users}, indent=2))
