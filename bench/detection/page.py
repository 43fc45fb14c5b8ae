"""The measured parts of `docs/detection.md`, one a scale, written between markers, and their pictures."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from bench.calibration import LEVELS
from bench.detection.goals import Goal, goals
from bench.detection.picture import panels
from bench.detection.run import OURS, Seed
from bench.detection.scoring import READ, TOLERANCE, Point, censored_median
from bench.detection.tails import Tails
from models.p_values import BOUNDS
from streams.documentation.tables import table

#: What the command writes stands between such lines: the simulation of a scale, and the real log.
BEGIN, END = "<!-- measured by bench.detection at {scale} -->", "<!-- end of what was measured -->"
BEGIN_REAL, END_REAL = "<!-- measured on a real log -->", "<!-- end of the real log -->"


def write(page: Path, seeds: Sequence[Seed], command: str) -> None:
    """Put tables and picture of each scale into a page; what it says of other scales stays.

    Raises ValueError when the markers of a scale are not there.
    """
    for scale, own in by_scale(seeds):
        picture = page.with_name(f"{page.stem}-{scale}.svg")
        replace_part(page, BEGIN.format(scale=scale), END, measured_part(own, command, picture.name))
        picture.write_text(drawn(own), "utf-8")


def replace_part(page: Path, begin: str, end: str, part: str) -> None:
    """Put a text between two lines of a page. Raises ValueError when they are not there."""
    text = page.read_text("utf-8")
    place = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not place.search(text):
        raise ValueError(f"{page}: the lines {begin} and {end} are not there")
    page.write_text(place.sub(lambda _: f"{begin}\n\n{part}\n{end}", text), "utf-8")


def measured_part(own: Sequence[Seed], command: str, picture: str) -> str:
    """All tables of the seeds of one scale, in markdown."""
    scale = own[0].scale
    parts = [_conditions(own, command), f"### Reached and to reach, {scale} searches a year\n"]
    parts += [_goals(goals(own)), f"![Recall of volume incidents against the budget]({picture})\n"]
    parts.append(f"### Against other methods, {scale} searches a year\n")
    for task in dict.fromkeys(name for one in own for name in one.scored):
        if len(own[0].scored[task]) > 1:
            parts += [_about(own, task), _methods(own, task)]
    parts += ["Our detectors on the tasks that have no baseline:\n", _others(own), _recalls(own)]
    parts += [f"### As shipped, {scale} searches a year\n", *_shipped(own)]
    parts += [f"### Whom false alerts hit, {scale} searches a year\n", _fairness(own)]
    parts += [f"### Tails, {scale} searches a year\n", _tails(own)]
    parts += ["The same for every stanza, over all that it tested on days of the honest year:\n", _each(own)]
    return "\n".join(parts)


def by_scale(seeds: Iterable[Seed]) -> list[tuple[str, list[Seed]]]:
    """The seeds of each scale, in the order in which the scales were run."""
    return [(scale, list(own)) for scale, own in groupby(seeds, lambda one: one.scale)]


def drawn(own: Sequence[Seed]) -> str:
    """Recall of the volume task against the budget at one scale, mean over seeds; overrun or not."""
    lines = {}
    for method in own[0].scored.get("volume", {}):
        curves = [one.scored["volume"][method].curve for one in own]
        lines[method] = [
            (points[0].budget, pooled(points, lambda point: point.recall))
            for points in zip(*curves, strict=True)
        ]
    title = f"Volume incidents told, {own[0].scale} searches a year, {len(own)} seeds"
    charts = {title: lines} if lines else {}
    return panels("false alerts a day and 1,000 officers, set on the year before", "recall", charts)


def pooled(points: Sequence[Point], what: Callable[[Point], float]) -> float:
    """A mean over seeds, weighted by their incidents."""
    total = sum(point.incidents for point in points)
    return sum(what(point) * point.incidents for point in points) / total if total else math.nan


def _conditions(own: Sequence[Seed], command: str) -> str:
    searches = sum(one.searches for one in own) / len(own)
    names = ", ".join(str(one.seed) for one in own)
    lines = [
        f"Printed by\n\n```\n{command}\n```\n",
        f"Scale {own[0].scale}: seeds {names}; {searches:,.0f} searches in three years on average.",
    ]
    skipped = {name: why for one in own for name, why in one.skipped.items()}
    lines += [f"\n**{name} was skipped: {why}.**" for name, why in sorted(skipped.items())]
    return "\n".join(lines) + "\n"


def _goals(found: Sequence[Goal]) -> str:
    rows = [(one.goal, one.scale, one.target, one.measured, one.verdict) for one in found]
    return table(("goal", "scale", "target", "measured", ""), rows)


def _about(own: Sequence[Seed], task: str) -> str:
    first = own[0].tasks[task]
    per = "30 days over all series" if first.series else "day and 1,000 officers"
    incidents = sum(next(iter(one.scored[task][OURS].points.values())).incidents for one in own)
    return (
        f"**{task}** ({', '.join(first.scenarios)}; {incidents} incidents). Recall at so many false alerts "
        f"per {per}; in brackets the recall when a seed that realised more than {TOLERANCE:g} times its "
        "budget counts nought, and the mean realised rate over the budget. A star: the budget could not be "
        "spent in any seed, because all that was scored raises fewer alerts.\n"
    )


def _methods(own: Sequence[Seed], task: str) -> str:
    budgets = own[0].tasks[task].budgets
    middle = own[0].tasks[task].middle
    rows = []
    for method in own[0].scored[task]:
        scored = [one.scored[task][method] for one in own]
        cells = [_cell([one.points[budget] for one in scored]) for budget in budgets]
        points = [one.points[middle] for one in scored]
        delays = [delay for point in points for delay in point.delays]
        fell = sum(sum(point.decoys.values()) for point in points)
        false, all_ = sum(point.false for point in points), sum(point.alerts for point in points)
        area = sum(one.area for one in scored) / len(scored)
        precision = _mean(one.precision for one in scored)
        name = f"**{method}**" if method == OURS else method
        last = (f"{area:.2f}", f"{precision:.2f}", _share(false, all_), _days(delays), str(fell))
        rows.append((name, *cells, *last))
    heads = [f"@{budget:g}" for budget in budgets]
    beside = ("area", f"precision of the first {READ}")
    at = (f"false share @{middle:g}", f"median delay @{middle:g}, days", f"decoys alarmed @{middle:g}")
    return table(("method", *heads, *beside, *at), rows)


def _cell(points: Sequence[Point]) -> str:
    realised = sum(point.realised / point.budget for point in points) / len(points)
    recall, scored = pooled(points, lambda one: one.recall), pooled(points, lambda one: one.scored)
    star = "*" if all(math.isinf(point.least) and point.least < 0 for point in points) else ""
    return f"{recall:.2f}{star} ({scored:.2f}; {realised:.2f})"


def _others(own: Sequence[Seed]) -> str:
    rows = []
    for name, task in own[0].tasks.items():
        if len(own[0].scored[name]) > 1:
            continue
        scored = [one.scored[name][OURS] for one in own if name in one.scored]
        cells = [f"@{budget:g}: {_cell([one.points[budget] for one in scored])}" for budget in task.budgets]
        if not task.detectors & own[0].opened:
            cells = [f"nothing to score: no stanza with an alpha has {' or '.join(sorted(task.detectors))}"]
        delays = [delay for one in scored for delay in one.points[task.budgets[-1]].delays]
        rows.append((name, ", ".join(task.scenarios), str(len(delays)), " · ".join(cells), _days(delays)))
    return table(("task", "scenarios", "incidents", "recall", "median delay, days"), rows)


def _recalls(own: Sequence[Seed]) -> str:
    """Volume by scenario and level, ours beside the oracle, at the middle budget."""
    if "volume" not in own[0].scored:
        return ""
    budget = own[0].tasks["volume"].middle
    methods = list(own[0].scored["volume"])
    shown = (OURS, methods[-1])
    rows = []
    names = sorted({name for one in own for name in one.scored["volume"][OURS].points[budget].by_scenario})
    for name in names:
        cells = []
        for method in shown:
            tallies = [
                one.scored["volume"][method].points[budget].by_scenario.get(name, [0, 0]) for one in own
            ]
            cells.append(f"{sum(one[0] for one in tallies)} of {sum(one[1] for one in tallies)}")
        rows.append((name, *cells))
    return f"Volume at {budget:g}, by scenario and level:\n\n" + table(("scenario", *shown), rows)


def _shipped(own: Sequence[Seed]) -> list[str]:
    caught: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for one in own:
        for name, (hits, all_) in one.shipped.caught.items():
            scenario, level = name.split()
            tally = caught[scenario].setdefault(level, [0, 0])
            tally[0], tally[1] = tally[0] + hits, tally[1] + all_
    levels = sorted({level for of in caught.values() for level in of})
    rows = [
        (scenario, *(f"{of[level][0]} of {of[level][1]}" if level in of else "" for level in levels))
        for scenario, of in sorted(caught.items(), key=lambda item: (len(item[0]), item[0]))
    ]
    right, telling = sum(one.shipped.right for one in own), sum(one.shipped.telling for one in own)
    laid: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in own:
        for scenario, (alarmed, number) in one.shipped.decoys.items():
            laid[scenario][0] += alarmed
            laid[scenario][1] += number
    realised = _mean(one.shipped.realised for one in own)
    false_policy = sum(one.shipped.false_policy for one in own)
    areas: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in own:
        for what, (named, every) in one.areas.items():
            areas[what] = [areas[what][0] + named, areas[what][1] + every]
    reported = ", ".join(f"{what} {named} of {every}" for what, (named, every) in sorted(areas.items()))
    traps = ", ".join(
        f"{scenario} {alarmed} of {number}" for scenario, (alarmed, number) in sorted(laid.items())
    )
    return [
        "Incidents caught with the shipped settings, by level:\n",
        table(("scenario", *levels), rows),
        f"{realised:.3f} false anomaly alerts a day and 1,000 officers over all stanzas; {false_policy} "
        f"false policy alerts in {len(own)} years. {_share(right, telling)} of the alerts about incidents "
        f"were raised by a detector that the incident's label names. Decoys that alarmed: {traps}.\n",
        f"Areas that `./probewatch disparity` names (S13; others are of the honest year too): {reported}.\n",
    ]


def _fairness(own: Sequence[Seed]) -> str:
    rows = []
    for kind in own[0].groups:
        total: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for one in own:
            for name, (false, days) in one.groups[kind].items():
                total[name][0] += false
                total[name][1] += days
        rates = {name: false / days * 1000 for name, (false, days) in total.items() if days}
        overall = sum(false for false, _ in total.values()) / sum(days for _, days in total.values()) * 1000
        most, least = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
        rows.append((
            kind, f"{overall:.3f}", f"{most}: {rates[most]:.3f}", f"{least}: {rates[least]:.3f}",
            f"{rates[most] / overall:.2f}" if overall else "",
        ))  # fmt: skip
    return table(("by", "all", "most", "least", "most / all"), rows)


def _tails(own: Sequence[Seed]) -> str:
    total = Tails()
    for one in own:
        total.merge(one.tails)
    return tail_table(total)


def _each(own: Sequence[Seed]) -> str:
    """Observed over nominal by stanza. Values that are told only in whole steps lie below 1."""
    rows = []
    for stanza in sorted({name for one in own for name in one.below}):
        below = [sum(column) for column in zip(*(one.below[stanza] for one in own), strict=True)]
        tested = below[-1]
        cells = [
            _ratio(tested, level, below[BOUNDS.index(level)] / tested / level if tested else 0.0)
            for level in (0.1, *LEVELS)
        ]
        rows.append((stanza, f"{tested:,}", *cells))
    return table(("stanza", "tested", *(f"at {level:g}" for level in (0.1, *LEVELS))), rows)


def tail_table(tails: Tails) -> str:
    """Observed over nominal by stratum of the expected count."""
    rows = []
    for name, judged, ratios, distance in (*tails.rows(), *tails.whole().rows()):
        cells = [_ratio(judged, level, ratio) for level, ratio in zip(LEVELS, ratios, strict=True)]
        rows.append((name, f"{judged:,}", *cells, f"{distance:.3f}"))
    return table(("expected count", "windows", *(f"at {level:g}" for level in LEVELS), "KS"), rows)


def _ratio(judged: int, level: float, ratio: float) -> str:
    """A ratio for which fewer than five are due says nothing."""
    return f"{ratio:.2f}" if judged * level >= 5 else "too few"


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _days(delays: Sequence[int | None]) -> str:
    middle = censored_median(delays)
    return "most missed" if math.isinf(middle) else f"{middle:.0f}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%" if whole else "none"
