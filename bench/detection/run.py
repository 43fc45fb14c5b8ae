"""One seed at one scale: simulate, replay, score every method on every task."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from bench.baselines import OFFICERS, SERIES, Baseline, Skipped
from bench.detection.findings import of_detectors, of_scores
from bench.detection.hearing import Heard, hear
from bench.detection.log import CASE_DAYS, Counts, Floats, Log
from bench.detection.scoring import Scored, Spans, score
from bench.detection.tails import Tails, honest_tails
from bench.detection.tasks import Task, tasks
from bench.detection.truth import Truth
from bench.evaluation import SHARED_BY_DECOY, Evaluation, evaluate
from bench.fairness import SETTLING
from bench.labels import Label, read_labels
from bench.simulator.generate import build, simulate
from bench.simulator.world import World
from models.area_weeks import AreaWeeks
from models.detectors import settings_types
from models.detectors.high_count import HighCountSettings
from models.reference import Reference
from streams.configuration import load
from streams.stages import chosen

SHIPPED = Path(__file__).parents[2] / "config"
YEARS = 3
YEAR = 365
MONTH = 30.0
#: The name of our own detectors in the tables.
OURS = "Probewatch"
#: The tasks that baselines are scored on, and which.
BESIDE: dict[str, tuple[Baseline, ...]] = {"volume": OFFICERS, "demonstration": SERIES}


@dataclass
class Shipped:
    """What the configuration as shipped gave in the scored year."""

    caught: dict[str, list[int]]
    """Scenario and level to caught and all."""
    scenarios: dict[str, str]
    """Scenario to its kind."""
    right: int
    """Alerts about incidents that a detector raised which the label names, of `telling`."""
    telling: int
    false: int
    false_policy: int
    realised: float
    decoys: dict[str, list[int]]
    """Scenario to alarmed and laid."""


@dataclass
class Seed:
    """Everything about one seed; `scored` is by task and method."""

    scale: str
    seed: int
    seconds: float
    searches: int
    scored: dict[str, dict[str, Scored]]
    tasks: dict[str, Task]
    shipped: Shipped
    tails: Tails
    opened: frozenset[str] = frozenset()
    """The stanzas that were opened, and their functions."""
    groups: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By unit, shift and tenure: false alerts at the largest volume budget and officer-days, by group."""
    newcomers: dict[float, list[int]] = field(default_factory=dict)
    """By volume budget: newcomers falsely flagged in their first 60 days, and all of them."""
    skipped: dict[str, str] = field(default_factory=dict)
    below: dict[str, list[int]] = field(default_factory=dict)
    """By stanza: how many p-values of the honest year lie at or below each of `models.p_values.BOUNDS`."""
    areas: dict[str, list[int]] = field(default_factory=dict)
    """What the report on disparity names in the scored year, by level, and in the honest one: areas named and
    all areas that are searched beyond their share, or are not."""


def one_seed(scale: str, seed: int, changes: Mapping[str, object] = MappingProxyType({})) -> Seed:
    """Simulate and score. Takes about a minute at 20,000 searches a year. `changes` are settings of the
    opened detectors, see `bench.detection.hearing.opened`."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="probewatch-detection-") as folder:
        world = build(scale, seed, YEARS)
        simulate(world, Path(folder), SHIPPED)
        heard = hear(Path(folder), SHIPPED, changes)
        found = judged(world, Path(folder), heard, scale, seed)
    found.seconds = time.perf_counter() - began
    return found


def judged(world: World, folder: Path, heard: Heard, scale: str, seed: int) -> Seed:
    """Score what was heard, and the baselines beside it."""
    zone, city = world.city.timezone, world.city
    labels, traps = read_labels(folder / "labels.jsonl"), read_labels(folder / "decoys.jsonl")
    first = city.first.toordinal()
    last = first + city.days
    log = Log.read(folder / "events.jsonl", zone, (first, last))
    spans = (last - 2 * YEAR, last - YEAR), (last - YEAR, last)
    truth = Truth(labels, log, zone)
    early = [one.incident for one, (start, _) in zip(labels, truth.spans, strict=True) if start < spans[1][0]]
    if early:
        raise ValueError(
            f"thresholds need an honest year, but these incidents begin before the last: {early}"
        )
    decoys = Truth([one for one in traps if one.keys], log, zone, SHARED_BY_DECOY)
    posted = world.roster.unit_on[:, : city.days] >= 0
    officer_days = [float(posted[: city.officers, begin - first : end - first].sum()) for begin, end in spans]
    by_officer = Spans(*spans, officer_days[0] / 1000, officer_days[1] / 1000)
    by_series = Spans(*spans, YEAR / MONTH, YEAR / MONTH)

    reference = load(folder, SHIPPED, settings_types()).reference
    counts = {"volume": _officers(world, log, posted), "demonstration": _series(world, log)}
    every, skipped = tasks(labels), dict[str, str]()
    scored: dict[str, dict[str, Scored]] = {}
    for task in every:
        size = by_series if task.series else by_officer
        mine = [
            (day, finding)
            for stanza, told in heard.findings.items()
            if not task.detectors.isdisjoint({stanza, heard.functions[stanza]})
            for day, finding in told
            if finding.entity_kind in task.kinds
        ]
        rows = scored[task.name] = {
            OURS: score(of_detectors(mine), size, truth, decoys, task.scenarios, task.budgets)
        }
        for baseline in BESIDE.get(task.name, ()):
            daily, expected = counts[task.name]
            try:
                values = baseline.scores(daily.cases, daily.searches, daily.weekday, expected)
            except Skipped as why:
                skipped[baseline.name] = str(why)
                continue
            findings = of_scores(daily, values, spans)
            rows[baseline.name] = score(findings, size, truth, decoys, task.scenarios, task.budgets)
    result = Seed(
        scale, seed, 0.0, len(log.lines), scored, {task.name: task for task in every},
        _as_shipped(heard, labels, traps, officer_days[1]),
        _tails(world, folder, reference, counts["volume"][0], spans[0], seed),
        frozenset(name for stanza in heard.findings for name in (stanza, heard.functions[stanza])),
        skipped=skipped, below={stanza: heard.below(stanza, *spans[0]) for stanza in heard.findings},
    )  # fmt: skip
    if "volume" in scored:
        _fairness(world, result, spans[1], labels)
    result.areas = _areas(log, labels, spans)
    return result


def _areas(
    log: Log, labels: Sequence[Label], spans: tuple[tuple[int, int], tuple[int, int]]
) -> dict[str, list[int]]:
    """How `./probewatch disparity` would name areas, with their own past as denominator."""
    weeks = AreaWeeks()
    for line, day in zip(log.lines, log.days.tolist(), strict=True):
        if line.search_type == "manual":
            weeks.add(line.incident_area, line.case_number or line.subject_ref or line.event_id, day)
    level = {area: label.level for label in labels if label.kind == "report" for area in label.keys["area"]}
    found: dict[str, list[int]] = {}
    for honest, (first, last) in zip((True, False), spans, strict=True):
        try:
            told = weeks.against_before(first, last - 1)[-1]
        except ValueError:
            continue  # the log does not reach back far enough
        for one in told:
            what = f"L{level[one.area]}" if not honest and one.area in level else "others"
            tally = found.setdefault(what, [0, 0])
            tally[0] += one.named
            tally[1] += 1
    return dict(sorted(found.items()))


def _officers(world: World, log: Log, posted: np.ndarray) -> tuple[Counts, Floats]:
    """Daily counts of all officers and the true mean of their cases."""
    people = world.city.officers
    counts = log.counts("requester", world.roster.requester_ids[:people], posted[:people], CASE_DAYS)
    return counts, world.expected[:people]


def _series(world: World, log: Log) -> tuple[Counts, Floats]:
    """Daily counts of all units and of the agency, and the true mean of the cases opened there, scaled
    to what the honest first two years show."""
    city = world.city
    units = [unit.unit_id for unit in city.units]
    always = np.ones((len(units) + 1, city.days), np.bool_)
    apart = log.counts("unit", units, always[:-1], CASE_DAYS)
    whole = log.counts("agency", [city.agency_id], always[:1], CASE_DAYS)
    counts = Counts(
        "unit", (*units, city.agency_id), apart.first,
        np.concatenate((apart.cases, whole.cases)), np.concatenate((apart.searches, whole.searches)), always,
    )  # fmt: skip
    unit_on = world.roster.unit_on[:, : city.days]
    mean = np.array(
        [np.where(unit_on == number, world.expected, 0.0).sum(axis=0) for number in range(len(units))]
    )
    mean = np.concatenate((mean, mean.sum(axis=0, keepdims=True)))
    honest = slice(0, city.days - YEAR)
    return counts, mean * (counts.cases[:, honest].sum(axis=1) / mean[:, honest].sum(axis=1))[:, None]


def _as_shipped(
    heard: Heard, labels: Sequence[Label], traps: Sequence[Label], officer_days: float
) -> Shipped:
    start = min((label.start for label in labels), default=None)
    if start is not None:
        start = start.replace(month=1, day=1, hour=12, minute=0, second=0, microsecond=0)
    found: Evaluation = evaluate(heard.alerts, labels, decoys=traps, first=start)
    caught: dict[str, list[int]] = {}
    names = {alert.alert_id: {alert.detector, heard.functions[alert.detector]} for alert in heard.alerts}
    right = telling = 0
    for one in found.told:
        tally = caught.setdefault(f"{one.label.scenario} L{one.label.level}", [0, 0])
        tally[0] += one.caught
        tally[1] += 1
        if one.label.detectors:
            telling += len(one.alerts)
            right += sum(not names[identity].isdisjoint(one.label.detectors) for identity in one.alerts)
    laid = Counter(trap.scenario for trap in traps if start is None or trap.start >= start)
    alarmed = Counter(trap.scenario for trap, _ in found.decoys)
    return Shipped(
        caught=caught,
        scenarios={label.scenario: label.kind for label in labels},
        right=right,
        telling=telling,
        false=len(found.false_alerts),
        false_policy=len(found.false_policy),
        realised=1000 * len(found.false_alerts) / officer_days,
        decoys={scenario: [alarmed[scenario], number] for scenario, number in sorted(laid.items())},
    )


def _tails(
    world: World, folder: Path, reference: Reference, daily: Counts, span: tuple[int, int], seed: int
) -> Tails:
    """Tails of every stanza that counts requesters, together."""
    total = Tails()
    for stanza in chosen(load(folder, SHIPPED, settings_types())):
        settings = stanza.settings
        if isinstance(settings, HighCountSettings) and settings.by == "requester" and settings.when is None:
            total.merge(honest_tails(daily, settings, reference, world.city.agency_id, {}, span, seed))
    return total


def _fairness(world: World, result: Seed, year: tuple[int, int], labels: Sequence[Label]) -> None:
    """Whom the false alerts of the scored year hit, and how many officer-days each group had."""
    roster, first = world.roster, world.city.first.toordinal()
    people = world.city.officers
    days = slice(year[0] - first, year[1] - first)
    unit, shift = roster.unit_on[:people, days], roster.shift_on[:people, days]
    posted = unit >= 0
    settling = np.zeros((people, world.city.days), np.bool_)
    for officer, day in (*roster.joined, *roster.transferred):
        settling[officer, day : day + SETTLING] = True
    settling = settling[:, days]
    row = {name: number for number, name in enumerate(roster.requester_ids[:people])}
    points = result.scored["volume"][OURS].points
    hits = [(row[name], day - year[0]) for name, day in points[max(points)].false_about if name in row]

    def split(groups: dict[str, np.ndarray]) -> dict[str, list[float]]:
        return {
            name: [float(sum(bool(mask[who, day]) for who, day in hits)), float((mask & posted).sum())]
            for name, mask in groups.items()
        }

    result.groups = {
        "unit": split({one.unit_id: unit == number for number, one in enumerate(world.city.units)}),
        "shift": split({str(number): (shift == number) & posted for number in np.unique(shift).tolist()}),
        "tenure": split({"first 60 days": settling & posted, "later": ~settling & posted}),
    }
    accused = {name for label in labels for name in label.keys.get("requester", ())}
    fresh = {
        (officer, day - year[0] + first)
        for officer, day in (*roster.joined, *roster.transferred)
        if year[0] <= day + first <= year[1] - SETTLING and roster.requester_ids[officer] not in accused
    }
    for budget, point in points.items():
        flagged = {
            (officer, since)
            for officer, since in fresh
            for name, day in point.false_about
            if row.get(name) == officer and since <= day - year[0] < since + SETTLING
        }
        result.newcomers[budget] = [len(flagged), len(fresh)]


def as_json(seeds: Sequence[Seed]) -> bytes:
    """All seeds as one JSON array."""
    return msgspec.json.encode([_object(one) for one in seeds])


def _object(one: Seed) -> dict[str, object]:
    return {
        "scale": one.scale,
        "seed": one.seed,
        "seconds": round(one.seconds, 1),
        "searches": one.searches,
        "skipped": one.skipped,
        "shipped": asdict(one.shipped),
        "tasks": {
            task: {
                method: {
                    "area": scored.area,
                    "precision": scored.precision,
                    "points": [point.json() for point in scored.points.values()],
                }
                for method, scored in methods.items()
            }
            for task, methods in one.scored.items()
        },
    }
