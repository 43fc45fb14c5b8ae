"""What a search found, for a program and for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.reporting.page import Cell, Section, Sheet, page
from analysis.reporting.pictures import Point, curve_picture
from analysis.tuning.search import Curve, Found, Trial
from models.analysis.tradeoff import Tally
from models.panel import Chosen
from models.wording import figure, plural

#: Alerts beyond so many times the budget are said to be over it; chance alone overruns it a little.
OVERRUN = 1.25
#: Trials on the page, the best ones.
SHOWN = 15


@dataclass(frozen=True)
class Evidence:
    """A search, what it was asked, and the settings that come of it (empty when nothing is better)."""

    found: Found
    stanza: Chosen
    budget: float
    folds: int
    seed: int
    logs: Sequence[str]
    digests: Sequence[str]
    incidents: int
    patch: dict[str, Any]


def as_json(told: Evidence) -> dict[str, Any]:
    """All of it."""
    found = told.found
    return {
        "stanza": told.stanza.name,
        "function": told.stanza.function,
        "budget_alerts_a_day": told.budget,
        "folds": told.folds,
        "seed": told.seed,
        "logs": list(told.logs),
        "config_digests": list(told.digests),
        "incidents": told.incidents,
        "better": found.better,
        "patch": told.patch,
        "trials": [{"values": one.values, "worth": one.worth, **_tally(one.tally)} for one in found.trials],
        "held_out": {"as_it_is": _curve(found.before), "tuned": _curve(found.after)},
    }


def sentence(told: Evidence) -> str:
    """What came of it."""
    before, after = told.found.before.at, told.found.after.at
    what = (
        f"{told.stanza.name}, on the days that chose nothing, at {figure(told.budget)} alerts a day: of "
        f"{plural(before.incidents, 'incident')} {before.told} told as it is, {after.told} tuned; alerts a "
        f"day {figure(before.alerts_a_day)} and {figure(after.alerts_a_day)}, false ones "
        f"{figure(before.false_a_day)} and {figure(after.false_a_day)}."
    )
    if after.alerts_a_day > OVERRUN * told.budget:
        what += " Tuned it is over the budget: the threshold was set on the year before, which was calmer."
    return what if told.found.better else f"{what} Nothing better was found: leave it as it is."


def html(told: Evidence, patch: str) -> str:
    """The page."""
    found = told.found
    lead = [
        sentence(told),
        f"{plural(len(found.trials) - 1, 'trial')} of settings within their declared ranges, seed "
        f"{told.seed}, against {plural(told.incidents, 'incident')} in {plural(len(told.logs), 'log')}. The "
        f"labelled days are cut into {told.folds} spans in order of time; each is read at the threshold that "
        "spends the budget on the year before it. The last span chose nothing.",
    ]
    curves = {
        "as it is": [Point(one.alerts_a_day, one.recall) for _, one in found.before.points],
        "tuned": [Point(one.alerts_a_day, one.recall) for _, one in found.after.points],
    }
    picture = curve_picture(
        curves, title="Told against what is to be read, on the days that chose nothing", name="curve",
        x="alerts a day", y="share of incidents told", mark=told.budget,
    )  # fmt: skip
    names = list(found.trials[0].values)
    ranked = sorted(found.trials, key=lambda one: -one.worth)[:SHOWN]
    shown = [found.trials[0], *(one for one in ranked if one is not found.trials[0])]
    heads = ("Which", *names, "Worth", *TALLY)
    rows = [_row(one, "as it is" if one is found.trials[0] else "chosen" if one is found.chosen else "")
            for one in shown]  # fmt: skip
    budgets = [
        (name, budget, *_cells(tally))
        for name, own in (("as it is", found.before), ("tuned", found.after))
        for budget, tally in own.points
    ]
    return page(
        f"Tuning {told.stanza.name}",
        lead,
        [
            Section(title="The trade-off", pictures=[picture],
                    sheets=[Sheet("By budget", ("Settings", "Budget, alerts a day", *TALLY), budgets)]),
            Section(title="The patch", words=patch.splitlines() if told.patch else ["There is none."]),
            Section(title="Trials", sheets=[Sheet("The best, on the spans that choose", heads, rows)]),
        ],
    )  # fmt: skip


TALLY = ("Incidents", "Told", "Traps", "Fallen for", "Alerts a day", "False a day")


def _row(trial: Trial, name: str) -> list[Cell]:
    return [name, *trial.values.values(), trial.worth, *_cells(trial.tally)]


def _cells(tally: Tally) -> tuple[Cell, ...]:
    return tally[:6]


def _tally(tally: Tally) -> dict[str, Any]:
    return {**tally._asdict(), "recall": tally.recall}


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "at_budget": _tally(curve.at),
        "alpha": curve.alpha,
        "curve": [{"budget": budget, **_tally(tally)} for budget, tally in curve.points],
    }
