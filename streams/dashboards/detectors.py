"""*Detectors*: do their p-values fall as they should, and do they raise no more than they promise?"""

from __future__ import annotations

from streams.dashboards.panels import Dashboard, Panel, Query, Row, one

DETECTORS = Dashboard(
    "probewatch-detectors",
    "Probewatch: Detectors",
    "Whether the detectors keep what they promise: calibration, promised and raised alerts, drift.",
    [
        Row(
            "Calibration",
            [
                Panel(
                    "Share of p-values at or below 0.01, over 0.01",
                    "1 is as promised, below 1 is cautious, far above 1 is drift. Days closed within a week.",
                    one(
                        'sum by (detector) (increase(probewatch_p_value_bucket{le="0.01"}[7d]))'
                        " / sum by (detector) (increase(probewatch_p_value_count[7d])) / 0.01",
                        "{{detector}}",
                    ),
                    width=24,
                ),
                Panel(
                    "Share of p-values at or below 0.001",
                    "The rule ProbewatchDetectorDrift fires above 0.01.",
                    one("probewatch:p_value_tail:ratio_increase7d", "{{detector}}"),
                    unit="percentunit",
                ),
                Panel(
                    "Where p-values fall",
                    "All detectors together, share at or below each bound.",
                    one(
                        "sum by (le) (increase(probewatch_p_value_bucket[7d]))"
                        " / scalar(sum(increase(probewatch_p_value_count[7d])))",
                        "{{le}}",
                    ),
                    "table",
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Promised and raised",
            [
                Panel(
                    "Alerts of a week: raised",
                    "Final alerts of anomaly detectors.",
                    one("probewatch:findings:increase7d", "{{detector}}"),
                    stacked=True,
                ),
                Panel(
                    "Alerts of a week: promised at most when nothing is wrong",
                    "Keys that were judged times alpha.",
                    one("probewatch:findings_promised:increase7d", "{{detector}}"),
                    stacked=True,
                ),
                Panel(
                    "New anomaly alerts a day and agency",
                    "Told, held back, promised at most if nothing is wrong, and what can be read.",
                    [
                        Query("probewatch:budget_told:ratio_increase7d", "told"),
                        Query(
                            'sum(increase(probewatch_budget_findings_total{outcome="held"}[7d]))'
                            " / sum(increase(probewatch_budget_closings_total[7d]))",
                            "held back",
                        ),
                        Query("max(probewatch_budget_promised_alerts)", "promised at most"),
                        Query("max(probewatch_budget_most_alerts)", "can be read"),
                    ],
                ),
                Panel(
                    "Alpha",
                    "As config/detectors.yaml has it.",
                    one("max by (detector) (probewatch_detector_alpha_ratio)", "{{detector}}"),
                    "table",
                ),
                Panel(
                    "Keys judged a day, of days that closed within a week",
                    "Officers, units or tools with history enough.",
                    one("sum by (detector) (increase(probewatch_p_value_count[7d])) / 7", "{{detector}}"),
                ),
                Panel(
                    "Withdrawn alerts, share of all new ones",
                    "The fast lane spoke, and the complete day did not support it.",
                    one(
                        'sum by (detector) (increase(probewatch_alerts_total{status="withdrawn"}[7d]))'
                        " / sum by (detector)"
                        ' (increase(probewatch_alerts_total{status=~"provisional|final"}[7d])) > 0'
                        " or vector(0)",
                        "{{detector}}",
                    ),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Trained models",
            [
                Panel(
                    "Of a week: alerts of the champion, findings of the shadow",
                    "The shadow is told to nobody; its findings have not been through the budget.",
                    [
                        Query(
                            "sum by (detector) (increase(probewatch_shadow_alerts_total[7d]))"
                            " or 0 * max by (detector) (probewatch_model_serving_number)",
                            "{{detector}}: shadow",
                        ),
                        Query(
                            'sum by (detector) (increase(probewatch_alerts_total{status="final"}[7d]))'
                            " and on (detector) max by (detector) (probewatch_model_serving_number)"
                            " or 0 * max by (detector) (probewatch_model_serving_number)",
                            "{{detector}}: champion",
                        ),
                    ],
                ),
                Panel(
                    "In service: the registry's entry",
                    "By which the champion judged the last Sunday. `models show champion` tells the rest.",
                    one(
                        "max by (detector, agency) (probewatch_model_serving_number)",
                        "{{detector}}, {{agency}}",
                    ),
                    "table",
                ),
                Panel(
                    "Drift: the largest stability index of a feature",
                    "Of the champion against its training. ProbewatchModelDrift fires above 0.25.",
                    one(
                        "max by (detector, agency) (probewatch_model_stability_index)",
                        "{{detector}}, {{agency}}",
                    ),
                ),
                Panel(
                    "Calibration: share of p-values up to 0.05, over 0.05",
                    "1 is calibrated. ProbewatchModelDrift fires above 2.",
                    one(
                        "max by (detector, agency) (probewatch_model_calibration_ratio)",
                        "{{detector}}, {{agency}}",
                    ),
                ),
                Panel(
                    "Models refused in a day",
                    "Missing, changed, untrusted or unfit; what served before goes on.",
                    one(
                        "sum by (detector, reason) (increase(probewatch_models_refused_total[1d]))"
                        " or vector(0)",
                        "{{detector}} {{reason}}",
                    ),
                    width=24,
                ),
            ],
        ),
    ],
    last="7d",
)
