"""The loop that bounds replay: a file is read and its lines decoded, nothing else happens.

`python -m bench.decoding FILE` prints seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from models.search import Search


def read(file: Path) -> float:
    """Read and decode every line once; seconds."""
    decode = msgspec.json.Decoder(Search).decode
    began = time.perf_counter()
    with file.open("rb", buffering=1 << 20) as lines:
        for line in lines:
            decode(line)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(read(Path(sys.argv[1])))
