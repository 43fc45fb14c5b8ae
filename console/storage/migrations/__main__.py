"""Write the next change of the tables; with --anew the first one, while no version is released."""

from __future__ import annotations

import sys

from alembic import command

from console.storage.engine import make_engine
from console.storage.migrations import HERE, configured


def main(words: list[str]) -> None:
    """`--anew`: tables as one first revision; otherwise a message for the next one."""
    engine = make_engine("sqlite://")
    versions = HERE / "versions"
    if words == ["--anew"]:
        guard = versions / "0002_ledger_guard.py"
        kept = guard.read_text()
        for old in versions.glob("*.py"):
            old.unlink()
        command.revision(configured(engine), "tables", autogenerate=True, rev_id="0001")
        guard.write_text(kept)
    else:
        from console.storage.migrations import upgrade

        upgrade(engine)
        number = len(list(versions.glob("*.py"))) + 1
        command.revision(configured(engine), " ".join(words), autogenerate=True, rev_id=f"{number:04}")


if __name__ == "__main__":
    main(sys.argv[1:])
