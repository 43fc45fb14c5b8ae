"""What is wrong with a configuration: every problem with its place, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.exits import Stop


class Mark(NamedTuple):
    """A place in a file; line and column count from 1, 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 0


class Problem(NamedTuple):
    """One thing that is wrong. `path` leads to it inside the file: `agencies[0].timezone`."""

    mark: Mark
    path: str
    message: str

    def __str__(self) -> str:
        """`file:line:column: path: message`, as editors understand it."""
        place = ":".join(str(part) for part in self.mark if part)
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigurationError(Stop):
    """A configuration that cannot be used; its text lists every problem, one a line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Problems:
    """The problems found so far."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, mark: Mark, path: str, message: str) -> None:
        """Note a problem; the same one is noted once."""
        self._found[Problem(mark, path, message)] = None

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def stop(self) -> None:
        """Raise ConfigurationError if there is any problem, ordered by place."""
        if self._found:
            raise ConfigurationError(tuple(sorted(self._found)))
