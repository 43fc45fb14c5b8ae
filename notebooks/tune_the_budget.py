"""Tune the budget: how many alerts a day, and how many of them false, for how much misuse that is told.

    make notebooks ARGS="tune_the_budget.py"

The budget is a promise to those who read alerts. It costs misuse that is held back; how much is read here
off labels. A simulation has them; of a real log the dispositions of staff say it (`./probewatch feedback`).
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    from dataclasses import replace
    from pathlib import Path

    import marimo as mo
    import msgspec
    import pandas as pd

    from analysis.examples import city_of
    from analysis.opening import open_subject
    from analysis.packs import take_in
    from analysis.reporting.page import Section, page
    from analysis.reporting.pictures import Point, curve_picture
    from bench.evaluation import evaluate
    from bench.labels import read_labels

    return (
        Path, Point, Section, city_of, curve_picture, evaluate, mo, msgspec, open_subject, page, pd,
        read_labels, replace, take_in,
    )  # fmt: skip


@app.cell
def _(Path, mo):
    # A folder that `simulate` made: give --city, or write its path here. None: one is simulated.
    city = Path(mo.cli_args()["city"]) if "city" in mo.cli_args() else None
    return (city,)


@app.cell
def _(city, city_of, mo):
    example = city_of(city)
    folder, said = example.folder, example.said
    mo.md(f"# Tune the budget\n\n{said}")
    return example, folder, said


@app.cell
def _():
    # The budgets to try: the share of alerts that may be false. The stanzas that ask for them.
    rates = (0.01, 0.05, 0.1, 0.2, 0.4)
    names = ("requester_volume", "repeat_subject", "unit_volume", "case_reuse")
    return names, rates


@app.cell
def _(folder, open_subject, take_in):
    # The log is taken in once; every budget then only watches it anew.
    taken = take_in(open_subject(folder), [folder / "events.jsonl"])
    return (taken,)


@app.cell
def _(evaluate, folder, msgspec, names, pd, rates, read_labels, replace, taken):
    chosen = [one for one in taken.stanzas if one.name in names]
    panel = taken.panel(chosen)
    known, traps = read_labels(folder / "labels.jsonl"), read_labels(folder / "decoys.jsonl")
    mine = [one for one in known if {stanza.function for stanza in chosen} & set(one.detectors)]
    days = (max(one.end for one in known) - min(one.start for one in known)).days

    def tried(rate):
        budget = msgspec.structs.replace(taken.subject.configuration.budget, false_discovery_rate=rate)
        changed = replace(taken.subject.configuration, budget=budget)
        other = replace(taken, subject=replace(taken.subject, configuration=changed))
        told = other.watch(panel.agency, budget=True)
        # Of labels that ask for other stanzas nothing is expected, and to tell them is not wrong.
        right, whole = evaluate(told, mine), evaluate(told, known, decoys=traps)
        false = len(whole.false_alerts)
        return {
            "may be false": rate, "promised false a day": budget.promised, "alerts": len(told),
            "alerts a week": 7 * len(told) / days, "false": false, "false a day": false / days,
            "incidents told": right.caught, "incidents": len(mine),
        }  # fmt: skip

    budgets = pd.DataFrame([tried(rate) for rate in rates])
    return budgets, days


@app.cell
def _(Point, Section, budgets, curve_picture, mo, page, said):
    points = [
        Point(row["alerts a week"], row["incidents told"] / max(row["incidents"], 1))
        for _, row in budgets.iterrows()
    ]
    picture = curve_picture(
        {"budgets": points}, title="Told against what is to be read", name="budgets", x="alerts a week",
        y="share of incidents told",
    )  # fmt: skip
    drawn = Section(title="A point a budget", pictures=[picture])
    mo.vstack([
        mo.md(
            "## What each budget buys\n\nBelow, a row a budget. Take the one from which more alerts tell "
            "hardly more, and which staff can read; it goes into `config/detectors.yaml` as "
            "`false_discovery_rate`. To tell more at the same number of alerts: `./probewatch tune`."
        ),
        mo.iframe(page("Budgets", [said], [drawn]), height="32rem"),
        budgets.round(3),
    ])  # fmt: skip
    return (picture,)


if __name__ == "__main__":
    app.run()
