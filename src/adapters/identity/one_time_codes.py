"""One-time codes (RFC 6238) by pyotp, and their QR codes by segno."""

import base64
import hmac
import re

import segno
from pyotp.totp import TOTP

from application.ports.identity import OneTimeCodes
from domain.access.second_factor import STEP_MS
from domain.secret import Secret

_CODE = re.compile(r"[0-9]{6}")


class TotpCodes(OneTimeCodes):
    """SHA-1, six digits, 30 seconds: what every authenticator can do."""

    def secret(self, randomness: bytes) -> Secret:
        """Return base32 without padding."""
        return Secret(base64.b32encode(randomness).decode().rstrip("="))

    def uri(self, secret: Secret, *, account: str, issuer: str) -> Secret:
        """Return the address that sets an authenticator up."""
        totp = TOTP(secret.reveal())
        return Secret(totp.provisioning_uri(name=account, issuer_name=issuer))

    def picture(self, uri: Secret) -> Secret:
        """Return an SVG without styles, which a strict policy lets through as an image."""
        return Secret(segno.make(uri.reveal(), error="m").svg_data_uri(scale=4))

    def step_of(self, code: Secret, secret: Secret, now_ms: int) -> int | None:
        """Compare with the codes of three steps in constant time, all of them."""
        digits = code.reveal().strip().replace(" ", "")
        if not _CODE.fullmatch(digits):
            return None
        totp, now = TOTP(secret.reveal()), now_ms // STEP_MS
        steps = [
            step
            for step in (now - 1, now, now + 1)
            if hmac.compare_digest(digits, totp.generate_otp(step))
        ]
        return max(steps, default=None)
