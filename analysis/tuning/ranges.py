"""The values that a setting may have, as its declaration says, and where to look for a better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import inspect as types

from models.detectors.base import Settings
from streams.documentation.tables import fields
from streams.exits import Stop

if TYPE_CHECKING:
    import optuna

#: Settings that are no part of how a detector judges, or that say what it judges: never varied.
NOT_VARIED = frozenset(
    {"alpha", "automatic", "by", "critical_below", "each", "episode_days", "high_below", "of", "over"}
)
#: Where nothing bounds a setting, so many times less and more than now is looked at.
REACH = 8.0
#: Ranges over more than so many times are searched by order of magnitude.
WIDE = 20.0


@dataclass(frozen=True)
class Range:
    """Where one setting is looked for: whole numbers, numbers, or some values. `now` is its value."""

    name: str
    now: Any
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether it spans orders of magnitude."""
        return self.low > 0 and self.high / self.low > WIDE

    def suggest(self, trial: optuna.Trial) -> Any:
        """A value to be tried."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.wide)
        return trial.suggest_float(self.name, self.low, self.high, log=self.wide)

    def grid(self, most: int) -> list[Any]:
        """At most so many values from one end to the other, all but that of now."""
        if self.choices:
            return [one for one in self.choices if one != self.now]
        spaced = (np.geomspace if self.wide else np.linspace)(self.low, self.high, most).tolist()
        found = [round(one) if self.whole else float(f"{one:.4g}") for one in spaced]
        inside = [one for one in dict.fromkeys(found) if self.low <= one <= self.high]
        return [one for one in inside if one != self.now]


def ranges(settings: Settings, names: Sequence[str] = ()) -> list[Range]:
    """The ranges of a detector's settings, or of the named ones.

    Raises:
        Stop: a name is no setting, or one that has no range.
    """
    known = {one.name: one for one in fields(type(settings))}
    found = {}
    for name, field in known.items():
        one = None if name in NOT_VARIED else _range(field, getattr(settings, name))
        if one is not None and one.choices:
            able = tuple(value for value in one.choices if permits(settings, {name: value}))
            one = replace(one, choices=able) if len(able) > 1 else None
        if one is not None:
            found[name] = one
    for name in names:
        if name not in found:
            raise Stop(f"{name} cannot be varied; these can be: {', '.join(found) or 'none'}")
    return [found[name] for name in (names or found)]


def changed(settings: Settings, values: dict[str, Any]) -> Settings:
    """Settings with some values changed. Raises ValidationError for one that is not permitted."""
    return msgspec.convert({**msgspec.to_builtins(settings), **values}, type(settings))


def permits(settings: Settings, values: dict[str, Any]) -> bool:
    """Whether the settings may be changed so: some values do not go together."""
    try:
        changed(settings, values)
    except msgspec.ValidationError:
        return False
    return True


def _range(field: types.Field, now: Any) -> Range | None:
    match field.type:
        case types.BoolType():
            return Range(field.name, now, choices=(False, True))
        case types.LiteralType():
            return Range(field.name, now, choices=tuple(field.type.values))
        case types.IntType() | types.FloatType():
            return _numbers(field, field.type, now)
    return None


def _numbers(field: types.Field, kind: types.IntType | types.FloatType, now: float) -> Range:
    whole = isinstance(kind, types.IntType)
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    least = now / REACH if now > 0 else 0.0
    least = max(least, low) if low is not None else least
    most = now * REACH if now > 0 else REACH
    most = min(most, high) if high is not None else most
    if whole:
        least, most = np.ceil(least), np.floor(most)
        least += kind.gt is not None and least == kind.gt
        most -= kind.lt is not None and most == kind.lt
    else:
        least = float(np.nextafter(least, np.inf)) if kind.gt is not None and least == kind.gt else least
        most = float(np.nextafter(most, -np.inf)) if kind.lt is not None and most == kind.lt else most
    return Range(field.name, now, float(least), float(most), whole)
