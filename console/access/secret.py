"""The secret key of the console: a file that only its user can read, made at the first start."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from streams.exits import Stop

LEAST_BYTES = 32


def read_secret(file: Path) -> bytes:
    """The key in the file; without the file, a new key, kept there.

    Raises:
        Stop: the file cannot be read or made, others may read it, or the key is too short.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise Stop(f"the secret key of the console cannot be kept in {file}: {error.strerror}") from None
    else:
        with os.fdopen(made, "w") as writing:
            writing.write(secrets.token_hex(LEAST_BYTES) + "\n")
    try:
        if os.name == "posix" and file.stat().st_mode & 0o007:
            raise Stop(f"everybody can read the secret key of the console: chmod 600 {file}")
        key = file.read_bytes().strip()
    except OSError as error:
        raise Stop(f"the secret key of the console cannot be read from {file}: {error.strerror}") from None
    if len(key) < LEAST_BYTES:
        raise Stop(
            f"{file} holds {len(key)} bytes and a secret key needs {LEAST_BYTES}; delete it for a new one"
        )
    return key
