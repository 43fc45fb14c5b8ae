"""Build a declared detector: a question about searches, written as a stanza, tried before anybody sees it.

    make notebooks ARGS="new_detector.py"

A stanza needs no Python: most questions are a condition and a share, a count or a rule. For what no function
can ask, `./probewatch new-detector NAME` begins a detector in Python.
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import marimo as mo
    import msgspec
    import yaml

    import analysis
    from analysis.examples import city_of
    from models.expressions import ConditionError, compile_condition
    from models.search import Search

    return (
        ConditionError, Path, Search, TemporaryDirectory, analysis, city_of, compile_condition, mo, msgspec,
        yaml,
    )  # fmt: skip


@app.cell
def _(Path, mo):
    # A folder that `simulate` made: give --city, or write its path here. None: one is simulated.
    city = Path(mo.cli_args()["city"]) if "city" in mo.cli_args() else None
    return (city,)


@app.cell
def _(city, city_of, mo):
    example = city_of(city)
    folder = example.folder
    mo.md(f"# A new detector\n\n{example.said}")
    return example, folder


@app.cell
def _(mo):
    # 1. The question, as a condition over the fields of a search (docs/events.md lists them).
    condition = mo.ui.text("probe_edited", label="Searches for which", full_width=True)
    condition
    return (condition,)


@app.cell
def _(ConditionError, Search, compile_condition, condition, folder, mo, msgspec):
    # 2. How often does it hold at all? What always or never holds can tell nobody apart.
    try:
        holds = compile_condition(condition.value)
    except ConditionError as error:
        mo.stop(True, mo.md(f"**The condition cannot be used**: {error}"))
    decode = msgspec.json.Decoder(Search).decode
    searches = [decode(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    hits = [one for one in searches if holds(one)]
    people = {one.requester_id for one in hits}
    mo.md(
        f"It holds for {len(hits):,} of {len(searches):,} searches, made by {len(people):,} of "
        f"{len({one.requester_id for one in searches}):,} people."
    )
    return hits, searches


@app.cell
def _(condition, yaml):
    # 3. The stanza. `share` asks whose share of such searches is larger than its own and the others' habit.
    stanza = {
        "function": "share", "by": "unit", "when": condition.value, "what": "with an edited probe",
        "alpha": 0.01, "windows": [7, 28],
    }  # fmt: skip
    detectors = {"detectors": {"edited_probes": stanza}}
    text = yaml.safe_dump(detectors, sort_keys=False)
    return stanza, text


@app.cell
def _(Path, TemporaryDirectory, analysis, folder, mo, text):
    # 4. What it would have said. A configuration of its own: the one in force is not touched.
    import shutil

    trial = TemporaryDirectory(prefix="probewatch-trial-")
    config = Path(trial.name) / "trial"
    shutil.copytree(folder, config, ignore=shutil.ignore_patterns("*.jsonl"))
    (config / "detectors.yaml").write_text(text)
    found = analysis.backtest(config, folder / "events.jsonl", jobs=1)
    mo.vstack([
        mo.md(f"## What it would have said\n\n{len(found.alerts)} alerts of\n\n```yaml\n{text}```"),
        found.alerts[["entity", "decided_at", "p_value", "observed", "expected", "explanation"]],
        mo.md(
            "Too many? A smaller `alpha` or a larger `minimum_count`. The same ones for ever? A habit is no "
            "misuse: look at the window. Nothing? Lay a case of it into the log, and see that it is told. "
            "Then the stanza goes into `config/detectors.yaml`, with cases in `tests/cases/`."
        ),
    ])  # fmt: skip
    return (found,)


if __name__ == "__main__":
    app.run()
