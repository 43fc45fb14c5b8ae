"""The registry that the commands work on, opened; and how they end when there is something to cure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop

if TYPE_CHECKING:
    from analysis.registry.changes import Models
    from analysis.registry.registry import Registry

T = TypeVar("T")
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

Digest = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Its digest, how that begins, or the state of the only one in it."),
]


@dataclass
class Shelf:
    """The registry of a folder, and the models as they stand."""

    registry: Registry
    models: Models

    @property
    def folder(self) -> Path:
        """Where the models lie."""
        return self.registry.folder

    def digest(self, given: str) -> str:
        """The whole digest that somebody means. Raises Unknown when it is of none, or of several."""
        from analysis.registry.changes import STATES
        from analysis.registry.writing import Unknown, full_digest

        if given not in STATES:
            return full_digest(list(self.models.by_digest), given)
        found = [one.digest for one in self.models.by_digest.values() if one.state == given]
        if len(found) != 1:
            said = "in shadow" if given == "shadow" else given
            which = f"{len(found)} models are {said}" if found else f"no model is {said}"
            some = ", ".join(f"{one.digest[:12]} ({one.state})" for one in self.models.by_digest.values())
            raise Unknown(f"{which}; there are: {some or 'none, `train` makes one'}")
        return found[0]


def opened(models: Path | None) -> Shelf:
    """The shelf in a folder, or in that of the settings; a damaged one ends the command."""
    from analysis.registry.registry import Registry
    from streams.settings import load_settings

    def work() -> Shelf:
        settings = load_settings(models_dir=models)
        if "models_dir" in settings.model_fields_set and not settings.models_dir.is_dir():
            raise Stop(
                f"there is no folder {settings.models_dir}; name that of the models with --models or "
                "PROBEWATCH_MODELS_DIR, `train` makes one"
            )
        registry = Registry(settings.models_dir)
        return Shelf(registry, registry.models())

    return said(work)


def said(work: Callable[[], T]) -> T:
    """What the work gives; what its user can cure ends the command with a sentence."""
    from analysis.registry.changes import NotAllowed
    from analysis.registry.registry import Damaged
    from analysis.registry.writing import Unknown
    from analysis.training.comparing import NothingHeldOut
    from models.serving import ArtefactRefused
    from streams.configuration import ConfigurationError

    try:
        return work()
    except OSError as error:
        console.print(unusable(error), style="red")
        raise typer.Exit(FAILURE) from None
    except (
        Stop, ConfigurationError, NotAllowed, Damaged, Unknown, NothingHeldOut, ArtefactRefused,
    ) as error:  # fmt: skip
        console.print(str(error), style="red")
        raise typer.Exit(FAILURE) from None


def unusable(error: OSError) -> str:
    """What of the folder of models cannot be used, and what to do."""
    if not error.filename:
        return str(error)
    rights = isinstance(error, PermissionError | NotADirectoryError)
    cure = "; let your account read and write there, or name another folder with --models" if rights else ""
    return f"cannot use {error.filename}: {error.strerror}{cure}"
