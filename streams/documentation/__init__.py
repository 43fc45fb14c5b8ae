"""The parts of `docs/` that are read off the code, so that they cannot say anything else.

A page holds blocks between `<!-- generated NAME -->` and `<!-- end NAME -->`; everything else in it
is written by hand. `./probewatch docs` fills the blocks, `./probewatch docs --check` compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.documentation.alerts import alert_table
from streams.documentation.detectors import detector_chapters
from streams.documentation.events import event_table, refusal_table
from streams.documentation.monitoring import panel_table, rule_table
from streams.documentation.operations import (
    console_setting_table,
    metric_table,
    role_table,
    setting_table,
    topic_table,
)

#: What each block holds.
BLOCKS: Mapping[str, Callable[[], str]] = {
    "alerts": alert_table,
    "console-settings": console_setting_table,
    "detectors": detector_chapters,
    "events": event_table,
    "metrics": metric_table,
    "panels": panel_table,
    "refusals": refusal_table,
    "roles": role_table,
    "rules": rule_table,
    "settings": setting_table,
    "topics": topic_table,
}
_BLOCK = re.compile(
    r"(?P<begin><!-- generated (?P<name>\S+) -->\n).*?(?P<end><!-- end (?P=name) -->)", re.DOTALL
)


class UnknownBlock(ValueError):
    """A page asks for a block that nothing makes."""


def filled(page: str) -> str:
    """The page with its blocks as the code is now.

    Raises:
        UnknownBlock: there is no such block; the text names it and those there are.
    """

    def fill(found: re.Match[str]) -> str:
        if found["name"] not in BLOCKS:
            raise UnknownBlock(f"there is no block {found['name']}; there are {', '.join(BLOCKS)}")
        return f"{found['begin']}\n{BLOCKS[found['name']]()}\n{found['end']}"

    return _BLOCK.sub(fill, page)


def outdated(folder: Path) -> dict[Path, str]:
    """The pages of a folder whose blocks are not as the code is, with what they should be.

    Raises:
        UnknownBlock: a page asks for a block that nothing makes.
    """
    found = {}
    for file in sorted(folder.rglob("*.md")):
        page = file.read_text("utf-8")
        wanted = filled(page)
        if wanted != page:
            found[file] = wanted
    return found
