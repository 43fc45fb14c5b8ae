"""What the console serves from its own files: code of others unchanged, and nothing that calls elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import console.web

STATIC = Path(console.web.__file__).parent / "static"
VENDOR = STATIC / "vendor"


def test_code_of_others_is_what_its_page_says() -> None:
    told = dict(
        re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M)
    )
    here = {file.name for file in VENDOR.iterdir()} - {"README.md"}
    assert {name for name in here if not name.endswith(".LICENSE")} == told.keys()
    for name, digest in told.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert (VENDOR / f"{name.partition('.')[0]}.LICENSE").is_file()


def test_our_own_files_name_no_other_host() -> None:
    for file in STATIC.glob("*.*"):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "//cdn" not in text, file.name
        assert "url(" not in text and "@import" not in text, file.name
