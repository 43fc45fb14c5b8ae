"""What a seed does to the workers, the broker and the log: chosen by the seed, and by nothing else.

Every fault is the main one of every so-manieth seed, so that a row of seeds as long as the list has
all of them; others are added by chance.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["embedded", "kafka"]

#: A worker kills itself with SIGKILL at these places, see `streams/faults.py`.
POINTS = (
    "after-decode",
    "after-messages",
    "after-state",
    "before-ack",
    "before-commit",
    "while-loading",
)
#: How often a point may be passed before the kill. A commit comes once a second, a loading seldom.
PASSES = {"before-commit": 1, "while-loading": 1, "after-state": 2}
#: What is done to workers and to the log. `kill-stage` kills the processes in which a worker's stages live,
#: `pause` ends past the session time-out, `storm` is workers that come and go all the time, `disk-full` a
#: worker whose every write to a file fails, `clock` wall clocks that jump, `poison` records that nothing
#: can be made of.
WORKERS = ("kill", "kill-stage", "stop", "pause", "storm", "disk-full", "clock", "poison")
#: What is done to the broker. It can hang everywhere; the embedded one forgets all when it ends.
BROKER = ("broker-hang",)
APACHE = ("broker-kill", "broker-outage", "broker-disk-full", "leader-change")

FAULTS: dict[Kind, tuple[str, ...]] = {
    "embedded": (*POINTS, *WORKERS, *BROKER),
    "kafka": (*POINTS, *WORKERS, *BROKER, *APACHE),
}
#: Those that take no long time-out and may be added to any other.
LIGHT = ("kill", "kill-stage", "stop", "storm", "poison")
#: Those that the broker needs three nodes for.
THREE_NODES = frozenset({"leader-change"})
#: Seconds over which the log is sent once the workers work.
SENDING = 2.5


@dataclass(frozen=True)
class Schedule:
    """What a seed does. `point` as in PROBEWATCH_FAULT; `jump` of the workers' clocks in seconds;
    `actions` as (second, fault) in order."""

    point: str | None
    jump: float
    poison: bool
    actions: tuple[tuple[float, str], ...]

    @classmethod
    def of(cls, seed: int, kind: Kind) -> Schedule:
        """The schedule of a seed."""
        chance = random.Random(seed)
        main = FAULTS[kind][seed % len(FAULTS[kind])]
        wanted = [main, *chance.sample(LIGHT, chance.randint(0, 2))]
        if main not in POINTS and chance.random() < 0.5:
            wanted.append(chance.choice(POINTS))
        point = next((fault for fault in wanted if fault in POINTS), None)
        if point == "while-loading" and "storm" not in wanted:
            wanted.append("kill")  # whoever takes over has to load
        passes = chance.randint(1, PASSES.get(point, 3)) if point else 0
        done = [fault for fault in wanted if fault not in (*POINTS, "clock", "poison")]
        times = sorted(round(chance.uniform(0.2, SENDING), 1) for _ in done)
        return cls(
            f"{point}:{passes}" if point else None,
            _jump(chance, kind) if main == "clock" else 0.0,
            "poison" in wanted,
            tuple(zip(times, chance.sample(done, len(done)), strict=True)),
        )

    @property
    def faults(self) -> frozenset[str]:
        """The names of all that is to happen."""
        named = {fault for _, fault in self.actions}
        named |= {self.point.partition(":")[0]} if self.point else set()
        return frozenset(named | ({"clock"} if self.jump else set()) | ({"poison"} if self.poison else set()))

    @property
    def nodes(self) -> int:
        """How many brokers it takes."""
        return 3 if self.faults & THREE_NODES else 1

    def __str__(self) -> str:
        said = [self.point] if self.point else []
        said += ["poison"] if self.poison else []
        said += [f"clocks {self.jump:+.0f} s" for _ in range(bool(self.jump))]
        return ", ".join([*said, *(f"{fault} at {at:.1f} s" for at, fault in self.actions)])


def _jump(chance: random.Random, kind: Kind) -> float:
    """Up to 40 hours either way; Kafka takes no record that is an hour ahead of its own clock."""
    ahead = chance.uniform(0.1, 0.9 if kind == "kafka" else 40.0)
    return round(3600 * chance.choice((ahead, -chance.uniform(0.1, 40.0))))
