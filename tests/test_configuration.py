"""The configuration folder: what loads, what the digest means, and where each mistake is reported."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Literal

import pytest

from models.detectors.base import Settings
from streams.configuration import Configuration, ConfigurationError, load
from tests.good_folder import GOOD, SHIPPED, write


class CountSettings(Settings, kw_only=True, frozen=True):
    by: Literal["requester", "unit"] = "requester"
    minimum: int = 3
    when: str | None = None

    def __post_init__(self) -> None:
        if self.minimum < 1:
            raise ValueError("minimum must be 1 or more")


TYPES: dict[str, type[Settings]] = {"high_count": CountSettings, "policy_clause": Settings}


def load_with(folder: Path, **changes: str) -> Configuration:
    """Load GOOD with some files replaced; keys have their dot and slash written as __ and ___."""
    named = {name.replace("___", "/").replace("__", "."): text for name, text in changes.items()}
    return load(write(folder, GOOD | named), SHIPPED, TYPES)


def problems(folder: Path, name: str, text: str) -> list[str]:
    """The problems of GOOD with one file replaced, without the folder."""
    with pytest.raises(ConfigurationError) as refusal:
        load(write(folder, GOOD | {name: text}), SHIPPED, TYPES)
    return [str(problem).removeprefix(f"{folder}/") for problem in refusal.value.problems]


def test_a_good_folder_loads(tmp_path: Path) -> None:
    configuration = load_with(tmp_path)
    reference = configuration.reference
    assert [(one.name, one.function, one.enabled) for one in configuration.detectors] == [
        ("policy", "policy_clause", True),
        ("volume", "high_count", True),
    ]
    volume = configuration.detectors[1]
    assert volume.settings == {"by": "requester", "when": 'purpose != "training"'}
    assert volume.where == f"{tmp_path}/detectors.yaml:3"
    assert set(reference.policy.packs) == {"mine", "los-angeles-2021", "detroit", "washington-state"}
    assert reference.agency("lapd").timezone == "America/Los_Angeles"
    assert reference.source("s1").lateness_hours == 24
    assert reference.tools.canonical("lacris-dms") == "lacris"
    home = reference.roster.at("r1", date(2020, 1, 1).toordinal())
    assert home is not None and home.unit_id == "harbor"
    (event,) = reference.calendar.on("lapd", date(2020, 5, 30).toordinal())
    assert (event.size, event.interventions, event.count) == (2000, 3, 1)


def test_missing_files_come_from_the_shipped_folder(tmp_path: Path) -> None:
    configuration = load(write(tmp_path, {"detectors.yaml": "detectors: {}\n"}), SHIPPED, TYPES)
    reference = configuration.reference
    assert reference.agency("detroit-pd").policies == ("detroit",)
    assert len(reference.roster) == 0
    first, last = date(2020, 3, 1).toordinal(), date(2021, 1, 22).toordinal()
    assert len(reference.calendar.events) == 187
    assert all(first <= event.date <= last and event.source == "ACLED" for event in reference.calendar.events)
    worst = reference.calendar.nearest("lapd", date(2020, 5, 30).toordinal(), within=1)
    assert worst is not None and (worst.date, worst.interventions) == (date(2020, 5, 31).toordinal(), 5)


def test_a_pack_of_the_same_name_replaces_the_shipped_one(tmp_path: Path) -> None:
    text = GOOD["policy/mine.yaml"].replace("name: mine", "name: detroit")
    files = {name: body for name, body in GOOD.items() if name != "policy/mine.yaml"}
    configuration = load(write(tmp_path, files | {"policy/detroit.yaml": text}), SHIPPED, TYPES)
    assert [one.id for one in configuration.reference.policy.clauses(["detroit"])] == ["mine-1"]


def test_pseudonyms_replace_the_names_on_the_roster(tmp_path: Path) -> None:
    def hide(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    configuration = load(write(tmp_path, GOOD), SHIPPED, TYPES, pseudonym=hide)
    roster = configuration.reference.roster
    assert roster.joined("r1") is None
    assert roster.joined(hide("r1")) == date(2019, 1, 1).toordinal()


def test_the_digest_follows_the_meaning_and_nothing_else(tmp_path: Path) -> None:
    base = load_with(tmp_path / "a")
    reordered = load_with(
        tmp_path / "b",
        detectors__yaml="""\
# a comment
detectors:
  volume: {when: 'purpose != "training"', by: requester, function: high_count}
  policy:
    function: policy_clause
    enabled: true
""",
        roster__csv="valid_from,unit_id,agency_id,requester_id,valid_to\n"
        "2020-01-01,harbor,lapd,r1,\n2019-01-01,central,lapd,r1,2020-01-01\n",
        sources__yaml="# new\n"
        "sources: [{idle_hours: 48, source_id: s1, lateness_hours: 24, agency_id: lapd}]\n",
    )
    assert len(base.digest) == 16 and int(base.digest, 16) >= 0
    assert (reordered.digest, reordered.reference.digest) == (base.digest, base.reference.digest)
    changed = load_with(tmp_path / "c", detectors__yaml=GOOD["detectors.yaml"] + "    minimum: 4\n")
    assert changed.digest != base.digest and changed.reference.digest == base.reference.digest
    for name, old, new in [
        ("roster.csv", "harbor", "central"),
        ("calendar.csv", "2000,3", "2000,4"),
        ("tools.yaml", "2009-11-06", "2009-11-07"),
        ("agencies.yaml", "America/Los_Angeles", "UTC"),
        ("policy/mine.yaml", "severity: low", "severity: high"),
        ("sources.yaml", "lateness_hours: 24", "lateness_hours: 25"),
    ]:
        folder = tmp_path / name.replace("/", "-")
        other = load(write(folder, GOOD | {name: GOOD[name].replace(old, new)}), SHIPPED, TYPES)
        assert other.digest != base.digest and other.reference.digest != base.reference.digest, name


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("agencies.yaml", "agencies:\n  - agency_id: [lapd\n", ["agencies.yaml:3:1: not YAML"]),
        ("agencies.yaml", "agencies:\n\t- x\n", ["agencies.yaml:2:1: not YAML"]),
        (
            "agencies.yaml",
            "agencis: []\n",
            ["agencies.yaml:1:1: agencis: unknown key, did you mean agencies?"],
        ),
        ("agencies.yaml", "- lapd\n", ["agencies.yaml:1:1: expected a mapping"]),
        (
            "agencies.yaml",
            "agencies:\n  - agency_id: lapd\n    timezon: UTC\n    name: 7\n  - name: x\n",
            [
                "agencies.yaml:3:5: agencies[0].timezon: unknown key, did you mean timezone?",
                "agencies.yaml:4:11: agencies[0].name: Expected `str`, got `int`; put it in quotes",
                "agencies.yaml:5:5: agencies[1]: the key agency_id is missing",
            ],
        ),
        (
            "agencies.yaml",
            "agencies:\n  - agency_id: lapd\n    timezone: America/Los_Angles\n"
            "    policies: [mine, detriot]\n",
            [
                "agencies.yaml:3:15: agencies[0].timezone: unknown time zone 'America/Los_Angles', "
                "did you mean America/Los_Angeles?",
                "agencies.yaml:4:22: agencies[0].policies[1]: there is no policy pack detriot, "
                "did you mean detroit?",
            ],
        ),
        (
            "agencies.yaml",
            "agencies:\n  - agency_id: a\n    agency_id: b\n",
            ["agencies.yaml:3:5: agencies[0].agency_id: the key is repeated; it stands in line 2 already"],
        ),
        (
            "agencies.yaml",
            "agencies:\n  - agency_id: a\n  - agency_id: a\n",
            ["agencies.yaml:3:16: agencies[1].agency_id: a is listed twice"],
        ),
        (
            "agencies.yaml",
            "agencies:\n  - &x {agency_id: a}\n  - *x\n",
            ["agencies.yaml:2:5: anchors and aliases"],
        ),
        ("agencies.yaml", "agencies: " + "[" * 5000, ["agencies.yaml:1:30: nested more than 20 levels deep"]),
        ("agencies.yaml", "agencies:\n  - 7: x\n", ["agencies.yaml:2:5: agencies[0]: the key 7 is not text"]),
        ("agencies.yaml", "a: !!python/object:os.system x\n", ["agencies.yaml:1:4: a: cannot be read"]),
        (
            "sources.yaml",
            "sources:\n  - source_id: s\n    lateness_hours: -1\n  - source_id: t\n    idle_hours: 1\n",
            [
                "sources.yaml:3:21: sources[0].lateness_hours: must lie between 0 and 8784",
                "sources.yaml:5:17: sources[1].idle_hours: must be at least lateness_hours (48)",
            ],
        ),
        (
            "tools.yaml",
            "tools:\n  - tool: a\n    aliases: [Face Finder]\n  - tool: b\n    name: face-finder\n",
            ["tools.yaml:4:5: tools[1]: b and a share the spelling 'facefinder'"],
        ),
        (
            "tools.yaml",
            "tools:\n  - tool: a\n    approvals:\n      - agency_id: x\n        valid_from: 2020-13-01\n",
            ["tools.yaml:5:21: tools[0].approvals[0].valid_from"],
        ),
        (
            "tools.yaml",
            "tools:\n  - tool: a\n    approvals:\n"
            "      - {agency_id: x, valid_from: 2020-01-02, valid_to: 2020-01-02}\n",
            ["tools.yaml:4:58: tools[0].approvals[0].valid_to: must lie after valid_from"],
        ),
        (
            "detectors.yaml",
            "detectors:\n  a: {by: unit}\n",
            ["detectors.yaml:2:3: detectors.a: the key function"],
        ),
        (
            "detectors.yaml",
            "detectors:\n  a: {function: hihg_count}\n",
            ["detectors.yaml:2:17: detectors.a.function: there is no detector function hihg_count"],
        ),
        (
            "detectors.yaml",
            "detectors:\n  a:\n    function: high_count\n    minimun: 3\n    by: units\n    enabled: maybe\n",
            [
                "detectors.yaml:4:5: detectors.a.minimun: unknown key, did you mean minimum?",
                "detectors.yaml:5:9: detectors.a.by: 'units' is not allowed, did you mean unit?",
                "detectors.yaml:6:14: detectors.a.enabled: must be true or false, not 'maybe'",
            ],
        ),
        (
            "detectors.yaml",
            "detectors:\n  a:\n    function: high_count\n    minimum: 0\n",
            ["detectors.yaml:3:5: detectors.a: minimum must be 1 or more"],
        ),
        (
            "detectors.yaml",
            "detectors:\n  a:\n    function: high_count\n    when: purpos == 'x'\n",
            ["detectors.yaml:4:11: detectors.a.when: column 1: unknown field purpos, did you mean purpose?"],
        ),
        (
            "policy/mine.yaml",
            GOOD["policy/mine.yaml"].replace('"training"\n', '"traning"\n').replace("low", "lo"),
            ["policy/mine.yaml:14:15: clauses[0].severity: 'lo' is not allowed, did you mean low?"],
        ),
        (
            "policy/mine.yaml",
            GOOD["policy/mine.yaml"].replace('"training"\n', '"traning"\n'),
            ["policy/mine.yaml:13:16: clauses[0].condition: the purpose 'traning' is not explained"],
        ),
        (
            "policy/mine.yaml",
            GOOD["policy/mine.yaml"]
            .replace("condition: purpose", "condition: purpos")
            .replace("breach: {purpose", "breach: {purpos")
            .replace("https:", "ftp:")
            .replace("mine-1", "detroit-2019-no-mobile"),
            [
                "policy/mine.yaml:7:9: clauses[0].id: the id detroit-2019-no-mobile is used in",
                "policy/mine.yaml:11:10: clauses[0].url: must be the http or https address",
                "policy/mine.yaml:13:16: clauses[0].condition: column 1: unknown field purpos, "
                "did you mean purpose?",
                "policy/mine.yaml:16:16: clauses[0].examples.breach.purpos: a search has no such field",
            ],
        ),
        (
            "policy/other.yaml",
            "name: mine2\ntitle: x\njurisdiction: x\n",
            ["policy/other.yaml:1:7: name: the pack mine2 must stand in mine2.yaml, not in other.yaml"],
        ),
        ("roster.csv", "", ["roster.csv: has no header; the first line is requester_id,agency_id"]),
        (
            "roster.csv",
            "requester,agency_id,unit_id\n",
            [
                "roster.csv:1:1: requester: unknown column, did you mean requester_id?",
                "roster.csv:1:1: requester_id: the column is missing",
                "roster.csv:1:1: valid_from: the column is missing",
            ],
        ),
        (
            "roster.csv",
            "requester_id,agency_id,unit_id,valid_from,valid_to\n"
            "r1,lapd,central,1.1.2019,\n\nr2,lapd,central,2019-01-01\n,lapd,central,2019-01-01,2019-01-01\n",
            [
                "roster.csv:2:17: valid_from: '1.1.2019' is not a day; write it like 2020-05-31",
                "roster.csv:4:1: 4 cells where the header has 5 columns",
                "roster.csv:5:1: requester_id: is empty",
            ],
        ),
        (
            "roster.csv",
            "requester_id,agency_id,unit_id,valid_from,valid_to\n"
            "r1,lapd,harbor,2020-06-01,\nr1,lapd,central,2020-01-01,2020-06-02\n",
            ["roster.csv:2:1: valid_from: this posting of r1 in harbor overlaps the one in central (line 3)"],
        ),
        (
            "calendar.csv",
            "date,agency_id,size\n2020-02-30,lapd,many\n",
            [
                "calendar.csv:2:1: date: '2020-02-30' is not a day",
                "calendar.csv:2:17: size: 'many' is not a whole number of 0 or more",
            ],
        ),
        ("calendar.csv", 'date,agency_id\n"2020-01-01,lapd\n', ["calendar.csv:2:1: cannot be read"]),
        (
            "sources.yaml",
            "sources:\n  - {source_id: a, agency_id: b, lateness_hours: 1e1, idle_hours: 20}\n",
            [
                "sources.yaml:2:50: sources[0].lateness_hours: Expected `float`, got `str`; "
                "YAML wants a point in it, as in 1.0e-3"
            ],
        ),
        ("tools.yaml", "# cut off\n", ["tools.yaml: holds nothing; remove the file to take the shipped one"]),
        (
            "agencies.yaml",
            "agencies:\n  - {agency_id: a, timezone: PST}\n",
            [
                "agencies.yaml:2:30: agencies[0].timezone: unknown time zone 'PST'; "
                "write it like America/Los_Angeles",
            ],
        ),
        ("agencies.yml", "agencies: []\n", ["agencies.yml: is not read, did you mean agencies.yaml?"]),
    ],
)
def test_mistakes_are_reported_at_their_place(
    tmp_path: Path, name: str, text: str, expected: list[str]
) -> None:
    found = problems(tmp_path, name, text)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_the_same_badge_in_two_agencies_is_two_people(tmp_path: Path) -> None:
    rows = ["4711,lapd,central,2020-01-01\n", "4711,elsewhere,harbor,2020-01-01\n"]
    digests = set()
    for order in (rows, rows[::-1]):
        roster = "".join(["requester_id,agency_id,unit_id,valid_from\n", *order])
        configuration = load_with(tmp_path, roster__csv=roster)
        digests.add(configuration.digest)
        day = date(2021, 1, 1).toordinal()
        homes = [configuration.reference.roster.of(one).at("4711", day) for one in ("lapd", "elsewhere")]
        assert [home and home.unit_id for home in homes] == ["central", "harbor"]
    assert len(digests) == 1


def test_mistakes_in_several_files_are_reported_together(tmp_path: Path) -> None:
    bad = GOOD | {
        "agencies.yaml": "agencies:\n  - agency: x\n",
        "roster.csv": "requester_id\n",
        "detectors.yaml": "detectors:\n  a: {function: nothing}\n",
    }
    with pytest.raises(ConfigurationError) as refusal:
        load(write(tmp_path, bad), SHIPPED, TYPES)
    assert {Path(problem.mark.file).name for problem in refusal.value.problems} == {
        "agencies.yaml",
        "roster.csv",
        "detectors.yaml",
    }


def test_unreadable_files_and_folders_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD)
    (folder / "calendar.csv").write_bytes(b"date,agency_id\n2020-01-01,\xff\n")
    with pytest.raises(ConfigurationError, match=r"calendar\.csv:2: is not UTF-8"):
        load(folder, SHIPPED, TYPES)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load(tmp_path / "nowhere", SHIPPED, TYPES)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        ConfigurationError, match=r"detectors\.yaml: is missing, here and in the shipped folder"
    ):
        load(empty, empty, TYPES)


def test_a_large_roster_loads_in_seconds(tmp_path: Path) -> None:
    rows = "".join(f"r{n},lapd,u{n % 100},officer,day,2019-01-01,,2022-01-01\n" for n in range(20_000))
    header = (SHIPPED / "roster.csv").read_text(encoding="utf-8")
    began = perf_counter()
    configuration = load(write(tmp_path, GOOD | {"roster.csv": header + rows}), SHIPPED, TYPES)
    assert perf_counter() - began < 5.0
    assert len(configuration.reference.roster) == 20_000
