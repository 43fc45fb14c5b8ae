"""`./probewatch new-detector`: a file, a stanza, cases and a chapter of the docs for a new detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE

ROOT = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("new-detector")(new_detector)


def new_detector(
    name: Annotated[str, typer.Argument(help="Its name, such as night_searches.")],
) -> None:
    """Begin a detector that works: its file, a stanza (switched off), cases, and its chapter in docs/.

    It counts searches at night; say in its file what it is to count instead, and in its cases what must
    come of it. All tests pass at once: those of its cases, the laws of all detectors, and whether its
    p-values are as rare as they say. It writes into this checkout, config/detectors.yaml and docs/
    included: commit before, and `git` takes it back as the last line says.
    """
    from analysis import scaffold
    from streams.documentation import outdated

    console = Console(stderr=True)

    def end(sentence: object) -> typer.Exit:
        console.print(str(sentence), style="red", markup=False, highlight=False, soft_wrap=True)
        return typer.Exit(FAILURE)

    try:
        scaffold.check_name(name, ROOT)
        with scaffold.new_detector(name, ROOT) as files:
            pages = outdated(ROOT / "docs")
            for page, text in pages.items():
                page.write_text(text, "utf-8")
    except scaffold.NameRefused as error:
        raise end(error) from None
    except OSError as error:
        raise end(f"cannot write {error.filename}: {error.strerror}; nothing was changed") from None
    for file in (*files, *pages):
        console.print(str(file.relative_to(ROOT)), markup=False, highlight=False)
    new, old = ([str(file.relative_to(ROOT)) for file in part] for part in (files[:2], [files[2], *pages]))
    for line in (
        f'Next: say in {new[0]} what is counted, then make test ARGS="-k {name}"',
        f"To undo: rm {' '.join(new)} && git restore {' '.join(old)}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
