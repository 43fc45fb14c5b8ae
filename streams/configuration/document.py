"""A YAML file as plain data that still knows the line and column of every value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from streams.configuration.problems import Mark, Problems

#: Largest file read, bytes; far above any real one.
MAX_BYTES = 64 * 1024 * 1024
#: Deepest nesting, above which no configuration makes sense.
MAX_DEPTH = 20

Place = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """One file: `data`, and where each part of it stands.

    Anchors, aliases, repeated keys and keys that are no text are refused: all of them hide from a
    reader what a value is.
    """

    def __init__(self, file: Path, problems: Problems) -> None:
        self.file = str(file)
        self.problems = problems
        self._marks: dict[Place, Mark] = {}
        self._keys: dict[Place, Mark] = {}
        self._constructor = yaml.constructor.SafeConstructor()
        before = len(problems)
        text = read_text(file, problems)
        root = self._compose(text) if text is not None else None
        if root is None and len(problems) == before:
            problems.add(Mark(self.file), "", "holds nothing; remove the file to take the shipped one")
        self.data: Any = self._plain(root, ()) if root is not None else {}
        self.readable = len(problems) == before

    def report(self, place: Place, message: str, *, key: bool = False) -> None:
        """Note a problem with the value at `place`, or with its key."""
        marks = self._keys if key else self._marks
        nearest = next((place[:n] for n in range(len(place), -1, -1) if place[:n] in marks), None)
        mark = marks[nearest] if nearest is not None else Mark(self.file)
        self.problems.add(mark, path_text(place), message)

    def line(self, place: Place) -> str:
        """`file:line` of a value's key, else of the value."""
        mark = self._keys.get(place) or self._marks.get(place) or Mark(self.file)
        return f"{mark.file}:{mark.line}"

    def _compose(self, text: str) -> Node | None:
        try:
            depth = 0
            for event in yaml.parse(text, Loader=_Loader):
                mark = self._mark(event.start_mark)
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    self.problems.add(mark, "", "anchors and aliases are not allowed; write the value out")
                    return None
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    self.problems.add(mark, "", f"nested more than {MAX_DEPTH} levels deep")
                    return None
            root: Node | None = yaml.compose(text, Loader=_Loader)
            return root
        except yaml.MarkedYAMLError as error:
            where = error.problem_mark or error.context_mark
            mark = self._mark(where) if where else Mark(self.file)
            self.problems.add(mark, "", f"not YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self.problems.add(Mark(self.file), "", f"not YAML: {error}")
        return None

    def _mark(self, mark: Any) -> Mark:
        return Mark(self.file, mark.line + 1, mark.column + 1)

    def _plain(self, node: Node, place: Place) -> Any:
        self._marks[place] = self._mark(node.start_mark)
        match node:
            case MappingNode():
                return self._mapping(node, place)
            case SequenceNode():
                return [self._plain(one, (*place, i)) for i, one in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, place)
        return None

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node, place) if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                mark = self._mark(key_node.start_mark)
                self.problems.add(mark, path_text(place), f"the key {key!r} is not text; put it in quotes")
                continue
            here = (*place, key)
            if key in plain:
                first = self._keys[here].line
                mark = self._mark(key_node.start_mark)
                self.problems.add(
                    mark, path_text(here), f"the key is repeated; it stands in line {first} already"
                )
                continue
            self._keys[here] = self._mark(key_node.start_mark)
            plain[key] = self._plain(value_node, here)
        return plain

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            reason = getattr(error, "problem", None) or error
            self.problems.add(self._mark(node.start_mark), path_text(place), f"cannot be read: {reason}")
            return None


def path_text(place: Place) -> str:
    """A place as people write it.

    >>> path_text(("agencies", 0, "timezone"))
    'agencies[0].timezone'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read_text(file: Path, problems: Problems) -> str | None:
    """The text of a file in UTF-8; None after noting why it cannot be read."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        problems.add(Mark(str(file)), "", f"cannot be read: {error.strerror or error}")
        return None
    if len(raw) > MAX_BYTES:
        problems.add(Mark(str(file)), "", f"{len(raw)} bytes; at most {MAX_BYTES} are read")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problems.add(Mark(str(file), line), "", "is not UTF-8; save the file in that encoding")
        return None
