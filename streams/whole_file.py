"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its place when the block ends well; otherwise nothing changes.

    What exists and is no plain file (a pipe, a device) is written to as it is. Raises OSError with
    the path's name.
    """
    plain = path.is_file() or not path.exists()
    written = path.with_name(f".{path.name}.partial") if plain else path
    try:
        with written.open("wb") as stream:
            yield stream
        if plain:
            os.replace(written, path)
    except OSError as error:
        # A failed write says what happened, but not where.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if plain:
            written.unlink(missing_ok=True)
