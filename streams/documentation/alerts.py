"""The fields of an alert."""

from __future__ import annotations

from models.alert import MAX_EVIDENCE, Alert
from streams.documentation.tables import fields, table, type_words

MEANINGS = {
    "alert_id": "Identity, the key on the topic `alerts`; a later record of the same id replaces it.",
    "detector": "Name of the stanza in `config/detectors.yaml`.",
    "kind": "A rule was broken, or a habit.",
    "entity_kind": "What the alert is about.",
    "entity": "Which one: a pseudonym or a name.",
    "agency_id": "The agency; none for a source that is not declared for one.",
    "unit_id": "The unit, where there is one.",
    "window_start": "Begin of the time that was judged.",
    "window_end": "Its end.",
    "first_seen": "The first search that belongs to it, or the begin of a silence.",
    "decided_at": "Event time at which the facts were complete. Never the wall clock.",
    "status": "See above.",
    "severity": "See above.",
    "p_value": "See above; none for a rule and for a gap in numbers, which need no statistics.",
    "score": "-ln p: 0 for a rule; two alerts can be ranked by it.",
    "observed": "What was counted.",
    "expected": "What normal use would give.",
    "interval": "Where normal use would lie in 95 of 100 cases.",
    "clause": "Id of the clause of `config/policy/` that was broken.",
    "evidence": f"Ids of the searches, at most {MAX_EVIDENCE}.",
    "evidence_count": "How many there are in all.",
    "explanation": "One sentence that says all this.",
    "detector_version": "Goes up when the same searches would give another alert.",
    "config_digest": "The configuration that was in force, as `./probewatch config check` prints it.",
}


def alert_table() -> str:
    """Every field of an alert."""
    rows = []
    for field in fields(Alert):
        kind, limits = type_words(field.type)
        words = f"{kind} {limits}" if kind == "one of" else kind
        rows.append((f"`{field.name}`", words, MEANINGS[field.name]))
    return table(("field", "type", "meaning"), rows)
