"""What serves, as the registry's pointer file says it, for whoever sends ticks.

The file is looked at before every tick. A statement goes into the log only when all its models could be
loaded here: one that names a missing or changed artefact is refused, and what served before goes on.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from models.serving import ArtefactRefused, Statement, known
from streams import metrics
from streams.artefacts import ArtefactFolder
from streams.exits import log

POINTER = "serving.json"
#: What the analysts' registry writes, an entry of a chain a line; the console's ledger follows it.
REGISTRY = "registry.jsonl"


def read_pointer(folder: Path) -> tuple[Statement, ...]:
    """The statements of a folder of models; none where there is no pointer file.

    Raises:
        ValueError: the file is not what the registry writes; the text says what to do.
    """
    file = folder / POINTER
    try:
        return known(msgspec.json.decode(file.read_bytes(), type=list[Statement]))
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{file} cannot be read ({error}); `./probewatch models check --repair` writes it anew"
        ) from None


class Pointer:
    """Looks at the pointer file, and keeps what was good."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._artefacts = ArtefactFolder(folder)
        self._good: tuple[Statement, ...] = ()
        self._said = ""

    def look(self) -> tuple[Statement, ...]:
        """The statements whose models can all be had. What is refused is logged and counted."""
        try:
            said = read_pointer(self._folder)
        except ValueError as error:
            if self._said != str(error):
                self._said = str(error)
                log.error(str(error))
            return self._good
        self._said = ""
        good = tuple(one for one in said if self._usable(one))
        fresh = {one.number for one in good} - {one.number for one in self._good}
        for one in good:
            if one.number in fresh:
                log.info("model serves", **msgspec.structs.asdict(one))
        self._good = good
        return good

    def _usable(self, statement: Statement) -> bool:
        usable = True
        for digest in filter(None, (statement.champion, statement.shadow)):
            try:
                self._artefacts.load(digest)
            except ArtefactRefused as refused:
                metrics.MODELS_REFUSED.labels(statement.stanza, refused.reason).inc()
                usable = False
        return usable
