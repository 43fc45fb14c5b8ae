"""Random tokens, their digests, and what is derived from or sealed under the console's secret key."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_HEADER = {"alg": "dir", "enc": "A256GCM"}


def fresh() -> str:
    """A token of 256 random bits, fit for a cookie or an address."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token, 64 hexadecimal digits. Tokens are random, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def derived(key: str | bytes, purpose: str) -> str:
    """A value that only the holder of `key` can know, another one for each purpose; 64 hex digits."""
    key = key.encode() if isinstance(key, str) else key
    return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that says nothing about where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


class Seal:
    """Encrypts short texts, so that neither the store nor a browser can read or change them (A256GCM)."""

    def __init__(self, secret: bytes) -> None:
        self._key = OctKey.import_key(bytes.fromhex(derived(secret, "seal")))

    def close(self, text: str) -> str:
        """The text, sealed."""
        return jwe.encrypt_compact(_HEADER, text.encode(), self._key)

    def open(self, sealed: str) -> str | None:
        """The text again; None when it was changed or sealed under another key."""
        try:
            plain = jwe.decrypt_compact(sealed, self._key, algorithms=list(_HEADER.values())).plaintext
        except (JoseError, ValueError):
            return None
        return None if plain is None else plain.decode()
