"""A new detector: its file, its stanza and its cases, which work at once and are meant to be changed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from streams.whole_file import whole_file

_TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: Longest name: it stands in metrics, anchors and alert records.
LONGEST = 40


class NameRefused(ValueError):
    """No detector can be made under this name; the text says why and what would do."""


def check_name(name: str, root: Path) -> None:
    """Whether a detector of this name can be made in a checkout.

    Raises:
        NameRefused: the name cannot be that of a function, or something has it already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST:
        better = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
        better = better.strip("_0123456789")[:LONGEST].rstrip("_")
        cure = f"; {better} would do" if _NAME.fullmatch(better) and not keyword.iskeyword(better) else ""
        raise NameRefused(
            f"{name!r} cannot name a detector: small letters, digits and single underscores, a letter first, "
            f"at most {LONGEST}, no word of Python's{cure}"
        )
    taken = {file.stem for file in (root / "models/detectors").glob("*.py")}
    if name in taken:
        raise NameRefused(f"models/detectors/{name}.py is there already; take another name")
    stanzas = _stanzas((root / "config/detectors.yaml").read_text("utf-8"))
    if name in stanzas:
        raise NameRefused(
            f"config/detectors.yaml has a stanza {name} already, of the function "
            f"{stanzas[name]['function']}; take another name"
        )
    if (root / f"tests/cases/{name}.yaml").exists():
        raise NameRefused(f"tests/cases/{name}.yaml is there already; take another name")


@contextmanager
def new_detector(name: str, root: Path) -> Iterator[list[Path]]:
    """Write a detector that has passed `check_name`; gives the files. All of it is taken back when the
    block ends with an exception.

    Raises:
        NameRefused: the configuration does not end where a stanza could follow.
        OSError: something cannot be written.
    """
    config = root / "config/detectors.yaml"
    before = config.read_text("utf-8")
    made = {
        root / f"models/detectors/{name}.py": _filled("detector", name),
        root / f"tests/cases/{name}.yaml": _filled("cases", name),
        config: with_stanza(before, _filled("stanza", name), name),
    }
    try:
        for file, text in made.items():
            with whole_file(file) as stream:
                stream.write(text.encode())
        yield list(made)
    except BaseException:
        for file in made:
            if file != config:
                file.unlink(missing_ok=True)
        with whole_file(config) as stream:
            stream.write(before.encode())
        raise


def with_stanza(text: str, stanza: str, name: str) -> str:
    """A `detectors.yaml` with one stanza more behind the last; comments and order stay.

    Raises:
        NameRefused: the stanzas are not written one below the other.
    """
    root: Any = yaml.compose(text)
    stanzas = next((value for key, value in root.value if key.value == "detectors"), None) if root else None
    if stanzas is None or stanzas.flow_style or not stanzas.value:
        raise NameRefused("config/detectors.yaml has no list of stanzas under `detectors:` to add one to")
    indent = " " * stanzas.value[0][0].start_mark.column
    lines = text.splitlines()
    last = stanzas.value[-1][1].end_mark
    # A block ends where the next begins: what is empty or a comment between belongs to that one.
    end = last.line + (last.column > 0)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    added = [line and indent + line.removeprefix("  ") for line in stanza.rstrip("\n").splitlines()]
    found = "\n".join([*lines[:end], *added, *lines[end:]]) + "\n"
    wanted = {**_stanzas(text), name: _stanzas(f"detectors:{stanza}")[name]}
    if _stanzas(found) != wanted:
        raise NameRefused(
            "config/detectors.yaml would mean something else with one more stanza; add it by hand"
        )
    return found


def _stanzas(text: str) -> dict[str, dict[str, object]]:
    return dict((yaml.safe_load(text) or {}).get("detectors") or {})


def _filled(template: str, name: str) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text("utf-8")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("@NAME@", name).replace("@CLASS@", class_name)
