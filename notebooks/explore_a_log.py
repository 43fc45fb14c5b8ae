"""Explore a log: who searches how much, when and why, and what Probewatch would have said.

    make notebooks ARGS="explore_a_log.py -- --log eugene.csv"

The log is a plate-reader audit such as that of Eugene (docs/eugene.md says where to get it) or a file of
events. Without one a simulated log takes its place.
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import marimo as mo
    import pandas as pd

    import analysis
    from analysis.examples import SAID, simulated_log
    from analysis.opening import agency_of
    from analysis.reporting.page import Section, page
    from analysis.reporting.pictures import weeks_picture
    from models.analysis.weekly import week_of, weeks_between
    from streams.adapters import adapters
    from streams.adapters.base import Given
    from streams.importing import import_files

    return (
        Given, Path, SAID, Section, TemporaryDirectory, adapters, agency_of, analysis, import_files, mo,
        page, pd, simulated_log, week_of, weeks_between, weeks_picture,
    )  # fmt: skip


@app.cell
def _(Path, mo):
    # Another log: give --log, or write its path here.
    log = Path(mo.cli_args()["log"]) if "log" in mo.cli_args() else None
    zone, days = "America/Los_Angeles", 180
    return days, log, zone


@app.cell
def _(
    Given, Path, SAID, TemporaryDirectory, adapters, agency_of, days, import_files, log, mo, simulated_log,
    zone,
):  # fmt: skip
    # A folder of configuration and a file of events, whatever the log was.
    from streams.exits import Stop

    kept = TemporaryDirectory(prefix="probewatch-notebook-")
    config = Path(kept.name)
    if log is None:
        events = simulated_log(config, days)
        told = SAID + " Give `--log FILE` for one of your own."
    else:
        events, told = log, f"The log is {log.name}."
        try:
            if not log.is_file():
                raise Stop(f"there is no file {log}")
            if log.suffix == ".csv":
                events = config / "events.jsonl"
                adapter = adapters()["alpr-user-audit"](Given("agency"))
                summary = import_files(adapter, [log], events, config / "rejects.jsonl")
                told += f" {summary.taken:,} searches taken, {summary.refused:,} rows refused."
                if not summary.taken:
                    raise Stop(f"no row of {log} is a search, {summary.refused:,} were refused")
            agency = agency_of(events)
        except (Stop, ValueError, OSError) as error:
            # In a browser the cells below stay empty; without one the run ends here.
            mo.stop(mo.running_in_notebook(), mo.md(f"**The log cannot be used**: {error}"))
            raise SystemExit(f"the log cannot be used: {error}") from None
        agencies = f"agencies:\n  - {{agency_id: {agency}, timezone: {zone}}}\n"
        (config / "agencies.yaml").write_text(agencies)
    mo.md(f"# Explore a log\n\n{told}")
    return config, events, told


@app.cell
def _(events, pd, zone):
    searches = pd.read_json(events, lines=True)
    searches["at"] = pd.to_datetime(searches["event_time"], utc=True).dt.tz_convert(zone)
    return (searches,)


@app.cell
def _(mo, searches):
    per_person = searches["requester_id"].value_counts()
    by_month = searches.groupby(searches["at"].dt.strftime("%Y-%m")).size().rename("searches")
    by_hour = searches.groupby(searches["at"].dt.hour).size().rename("searches")
    purposes = searches["purpose"].value_counts().rename("searches")
    share = per_person.head(10).sum() / len(searches)
    mo.vstack([
        mo.md(
            f"## How people use it\n\n{len(searches):,} searches by {len(per_person):,} people. Half of them "
            f"made {per_person.median():.0f} or fewer, one made {per_person.max():,}; the busiest ten made "
            f"{share:.0%}. A fixed limit would flag the same ten for ever: what matters is who searches more "
            "than *they* do usually, and that is what the detectors ask."
        ),
        mo.hstack([by_month, by_hour, purposes]),
    ])  # fmt: skip
    return by_hour, by_month, per_person, purposes


@app.cell
def _(analysis, config, events):
    # The detectors as shipped, over the whole log: what would have been told, and when.
    found = analysis.backtest(config, events, jobs=1)
    return (found,)


@app.cell
def _(Section, found, mo, page, searches, told, week_of, weeks_between, weeks_picture):
    first, last = (week_of(searches["at"].agg(end).to_pydatetime()) for end in ("min", "max"))
    weeks = weeks_between(first, last)
    counted = found.weekly.groupby("week")["alerts"].sum()
    line = [int(counted.get(str(week), 0)) for week in weeks]
    alerts = found.alerts.sort_values("decided_at")
    drawn = Section(title="Week by week", pictures=[weeks_picture(weeks, {"alerts": line})])
    mo.vstack([
        mo.md(
            f"## What would have been told\n\n{len(alerts)} alerts. Each is a question to the department, "
            "and no finding about anybody: docs/detectors.md has the innocent explanations of each detector."
        ),
        mo.iframe(page("What would have been told", [told], [drawn]), height="32rem"),
        alerts[["detector", "severity", "entity_kind", "decided_at", "explanation"]],
    ])  # fmt: skip
    return alerts, line, weeks


if __name__ == "__main__":
    app.run()
