"""A change of settings as a patch to read, and as a folder of configuration to try it with.

Nothing here touches the configuration that is in force: whoever wants the change makes it there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from models.panel import Chosen
from streams.commands.config import SHIPPED
from streams.configuration import FILES
from streams.whole_file import whole_file


def patch_text(stanza: Chosen, values: Mapping[str, Any], why: str) -> str:
    """The changed settings of a stanza, as they are to stand in detectors.yaml, each with what it was."""
    lines = [f"# {line}\n" for line in why.splitlines()]
    lines += ["detectors:\n", f"  {stanza.name}:\n"]
    for name, value in values.items():
        lines.append(f"    {name}: {_scalar(value)}  # was {_scalar(getattr(stanza.settings, name))}\n")
    return "".join(lines)


def write_candidate(folder: Path, stanza: Chosen, values: Mapping[str, Any], out: Path) -> None:
    """A copy of a configuration folder, without anything else in it, in which a stanza has other settings.

    Raises OSError when it cannot be written.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)
    if (folder / "policy").is_dir():
        shutil.copytree(folder / "policy", out / "policy")
    file = folder / "detectors.yaml"
    content = yaml.safe_load((file if file.is_file() else SHIPPED / "detectors.yaml").read_text("utf-8"))
    content["detectors"][stanza.name].update(values)
    with whole_file(out / "detectors.yaml") as stream:
        stream.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value).removesuffix("...\n").strip()
