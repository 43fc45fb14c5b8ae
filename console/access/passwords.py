"""Passwords: Argon2id, and the rules of NIST SP 800-63B-4, 3.1.1.2.

Length counts, composition does not; any character may be used; nothing has to be changed without cause. No list
of stolen passwords is shipped, so only what anybody would guess about this account is refused. A password
beside a second factor needs 8 characters by that standard; here it needs 12.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

LEAST, MOST = 12, 256
#: Words that anybody would try here.
_OBVIOUS = ("probewatch", "password", "passwort", "contrasena", "qwerty", "letmein", "welcome")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertzuiop", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_FEWEST_CHARACTERS = 5


def normal(password: str) -> str:
    """The form in which a password is hashed (NFKC), so that every keyboard gives the same one."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, name: str) -> str | None:
    """Why a password cannot be taken for the account `name`, as a sentence; None when it can.

    >>> weakness("correct horse battery", "reviewer-1")
    >>> weakness("too short", "reviewer-1")
    'The password needs 12 characters or more.'
    """
    text = normal(password)
    if len(text) < LEAST:
        return f"The password needs {LEAST} characters or more."
    if len(text) > MOST:
        return f"The password may have {MOST} characters at most."
    if len(set(text)) < _FEWEST_CHARACTERS:
        return "The password repeats too few characters."
    rest = _without_guessable(text.casefold(), name.casefold())
    if len(rest) < LEAST // 2:
        return (
            "The password is made of what others would try first: the account's own name, this program's,"
            " or keys in a row."
        )
    return None


def _without_guessable(text: str, name: str) -> str:
    """What is left of a password when everything that is easily guessed is taken out."""
    for word in (name, *_OBVIOUS, *filter(None, re.split(r"[^a-z0-9]+", name))):
        if len(word) >= 4:
            text = text.replace(word, "")
    for run in _RUNS:
        for line in (run, run[::-1]):
            for size in range(len(line), 3, -1):
                for start in range(len(line) - size + 1):
                    text = text.replace(line[start : start + size], "")
    return re.sub(r"(.)\1{2,}", r"\1", text)


def temporary() -> str:
    """A password for somebody else, to be changed at the first login: 100 bits in groups of five."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


class Passwords:
    """Hashes and verifies; at most `together` at once, because each takes memory.

    The default cost is that of argon2-cffi: RFC 9106 for machines with little memory, 64 MiB.
    """

    def __init__(self, hasher: PasswordHasher | None = None, together: int = 4) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = BoundedSemaphore(together)
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """The hash to keep, with its salt and parameters."""
        with self._turn:
            return self._hasher.hash(normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed.

        Without a hash as much work is done for nothing, so that time does not tell which accounts there are.
        """
        with self._turn:
            try:
                matches = self._hasher.verify(kept or self._nobody, normal(password[: MOST + 1]))
            except (Argon2Error, InvalidHashError):
                return False
        return matches and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)
