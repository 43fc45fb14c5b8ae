"""A small folder of configuration without a mistake, to be spoiled."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[1] / "config"

GOOD = {
    "detectors.yaml": """\
detectors:
  policy: {function: policy_clause}
  volume:
    function: high_count
    by: requester
    when: purpose != "training"
""",
    "agencies.yaml": """\
agencies:
  - agency_id: lapd
    timezone: America/Los_Angeles
    policies: [los-angeles-2021]
""",
    "sources.yaml": """\
sources:
  - source_id: s1
    agency_id: lapd
    lateness_hours: 24
    idle_hours: 48
""",
    "tools.yaml": """\
tools:
  - tool: lacris
    aliases: [LACRIS DMS]
    approvals:
      - agency_id: lapd
        valid_from: 2009-11-06
""",
    "roster.csv": """\
# people
requester_id,agency_id,unit_id,valid_from,valid_to
r1,lapd,central,2019-01-01,2020-01-01
r1,lapd,harbor,2020-01-01,
""",
    "calendar.csv": "date,agency_id,size,interventions\n2020-05-30,lapd,2000,3\n",
    "policy/mine.yaml": """\
name: mine
title: Mine
jurisdiction: Here
purposes:
  training: a lesson
clauses:
  - id: mine-1
    title: No lessons
    text: No lessons.
    source: Rules
    url: https://example.org/rules
    valid_from: 2020-01-01
    condition: purpose == "training"
    severity: low
    examples:
      breach: {purpose: training}
      lawful: {purpose: x}
""",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder
