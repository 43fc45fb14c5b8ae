"""Pseudonyms of staff: the same person is always the same string, and the string says nothing.

HMAC-SHA-256 under a secret key, truncated to 80 bits, which keeps a chance of one in a million
of any two among a million people sharing a pseudonym (NIST SP 800-107 on truncation).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode

#: Least length of a key, bytes.
MIN_KEY_BYTES = 16
_CACHE = 200_000


class Pseudonyms:
    """Replaces identities under one key. With an empty key identities stay as they are, which is
    right only when the sending system has replaced them already.

    Raises ValueError for a key of fewer than 16 bytes.
    """

    def __init__(self, key: bytes = b"") -> None:
        if key and len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"the pseudonym key has {len(key)} bytes and needs {MIN_KEY_BYTES} or more; "
                "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
            )
        self._key = key
        self._known: dict[str, str] = {}

    @property
    def keyed(self) -> bool:
        """Whether identities are replaced at all."""
        return bool(self._key)

    def __call__(self, identity: str) -> str:
        """The pseudonym of an identity: 16 characters of base 32 after `p-`."""
        if not self._key:
            return identity
        found = self._known.get(identity)
        if found is None:
            if len(self._known) >= _CACHE:
                self._known.clear()
            digest = hmac.new(self._key, identity.encode(), hashlib.sha256).digest()
            found = self._known[identity] = "p-" + b32encode(digest[:10]).decode().lower()
        return found
