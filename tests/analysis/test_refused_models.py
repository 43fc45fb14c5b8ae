"""A back-test without the model that should judge is none: it says so and ends with 1."""

from __future__ import annotations

import json
from pathlib import Path

from tests.live import command
from tests.model_shop import crown, open_shop, week


def test_a_back_test_says_which_model_did_not_judge_and_ends_with_1(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    crown(shop, shop.forest, week(40))
    out = tmp_path / "out"

    def run() -> tuple[int, dict[str, object], str]:
        done = command(
            "backtest", "--config", shop.config, "--input", shop.log(), "--out", out, "--json",
            environment={"PROBEWATCH_MODELS_DIR": str(shop.models)}, seconds=300,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr

    code, said, told = run()
    assert code == 0 and "models_refused" not in said, told
    with (shop.models / "artefacts" / shop.forest / "model.skops").open("ab") as model:
        model.write(b"x")
    code, said, told = run()
    why = f"the model of {shop.forest} was changed"
    assert code == 1 and why in " ".join(told.split())
    assert [why in one for one in said["models_refused"]] == [True]  # type: ignore[attr-defined]
    assert why in (out / "report.html").read_text()
