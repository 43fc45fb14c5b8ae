"""*Oversight*: what is being flagged, where, and against what was to be expected."""

from __future__ import annotations

from streams.dashboards.panels import Dashboard, Panel, Query, Row, one

OVERSIGHT = Dashboard(
    "probewatch-oversight",
    "Probewatch: Oversight",
    "What is flagged, where, and against what was to be expected. Who and why stands in the alert itself.",
    [
        Row(
            "Now",
            [
                Panel(
                    "Open alerts",
                    "Not withdrawn, and changed within the last week.",
                    one("sum(probewatch_open_alerts) or vector(0)", "open"),
                    "stat", width=6, height=4,
                ),
                Panel(
                    "Of these high or critical",
                    "To be looked at first.",
                    one('sum(probewatch_open_alerts{severity=~"high|critical"}) or vector(0)', "high"),
                    "stat", width=6, height=4, steps=(1, 20),
                ),
                Panel(
                    "Searches watched, 24 hours",
                    "Each was judged by every detector of its agency.",
                    one("sum(increase(probewatch_searches_judged_total[24h]))", "searches"),
                    "stat", width=6, height=4,
                ),
                Panel(
                    "Sources that report",
                    "Of those in config/sources.yaml, the ones heard of within four days.",
                    one("count(probewatch:source_age:seconds < 4 * 86400) or vector(0)", "sources"),
                    "stat", width=6, height=4,
                ),
            ],
        ),
        Row(
            "What is flagged",
            [
                Panel(
                    "Open alerts by agency and severity",
                    "Agencies that are not declared are called other.",
                    one("sum by (agency, severity) (probewatch_open_alerts)", "{{agency}} {{severity}}"),
                    stacked=True,
                ),
                Panel(
                    "Open alerts by detector",
                    "docs/detectors.md says what each sees, and what innocent reasons there may be.",
                    one("sum by (detector) (probewatch_open_alerts)", "{{detector}}"),
                    "table",
                ),
                Panel(
                    "Alert records an hour by kind",
                    "A rule was broken (policy), or a habit (anomaly). Changes of status are records too.",
                    one(
                        "sum by (kind, status) (increase(probewatch_alerts_total[1h])) > 0",
                        "{{kind}} {{status}}",
                    ),
                    stacked=True,
                    width=24,
                ),
            ],
        ),
        Row(
            "Against expectation, on the calendar of demonstrations",
            [
                Panel(
                    "Searches of the last closed day, and what was expected",
                    "All units of an agency together, as the detector requester_volume counts.",
                    [
                        Query(
                            'sum by (agency) (probewatch_unit_observed{detector="requester_volume"})',
                            "{{agency}} observed",
                        ),
                        Query(
                            'sum by (agency) (probewatch_unit_expected{detector="requester_volume"})',
                            "{{agency}} expected",
                        ),
                    ],
                ),
                Panel(
                    "Demonstrations on the last closed day",
                    "Weight of the largest, by size, place and intervention, as config/calendar.csv has it.",
                    one("max by (agency) (probewatch_calendar_weight)", "{{agency}}"),
                ),
                Panel(
                    "Units that searched most above expectation",
                    "Observed over expected on the last closed day, ten at most.",
                    one(
                        "topk(10, max by (agency, unit)"
                        ' (probewatch_unit_observed{detector="requester_volume"}) / (max by (agency, unit)'
                        ' (probewatch_unit_expected{detector="requester_volume"}) > 0.1))',
                        "{{agency}} {{unit}}",
                    ),
                    "table",
                    width=24,
                ),
            ],
        ),
        Row(
            "What people do about it",
            [
                Panel(
                    "Open alerts by where the work stands",
                    "new: nobody took it up; proposed: waits for a second person.",
                    one("sum by (state) (probewatch_work_alerts)", "{{state}}"),
                    stacked=True,
                ),
                Panel(
                    "Until somebody takes an alert up, nine of ten",
                    "From its arrival in the console, by severity, over all that was ever taken up.",
                    one(
                        "histogram_quantile(0.9,"
                        " sum by (severity, le) (probewatch_acknowledge_seconds_bucket))",
                        "{{severity}}",
                    ),
                    "table",
                    unit="s",
                ),
                Panel(
                    "Oldest grave alert that nobody took up",
                    "High or critical. The rule ProbewatchAlertsUnread fires after three days.",
                    one("max(probewatch_unread_seconds)", "oldest"),
                    "stat", width=6, height=4, unit="s", steps=(86400, 3 * 86400),
                ),
                Panel(
                    "Decisions",
                    "Of staff, undone ones included.",
                    one("sum(probewatch_decisions_total)", "decisions"),
                    "stat", width=6, height=4,
                ),
                Panel(
                    "Silences in Alertmanager",
                    "Alerts that staff have closed or snoozed.",
                    one("sum(probewatch_silences)", "silences"),
                    "stat", width=6, height=4,
                ),
                Panel(
                    "Entries of the ledger",
                    "It only grows.",
                    one("max(probewatch_ledger_entries)", "entries"),
                    "stat", width=6, height=4,
                ),
                Panel(
                    "What came of closed alerts",
                    "By detector.",
                    one(
                        "sum by (detector, disposition) (probewatch_disposed_alerts)",
                        "{{detector}} {{disposition}}",
                    ),
                    "table",
                ),
                Panel(
                    "Precision",
                    "Of a detector's closed alerts, the share that was confirmed or needs another policy.",
                    one("probewatch:precision:ratio", "{{detector}}"),
                    "table",
                    unit="percentunit",
                ),
            ],
        ),
    ],
)  # fmt: skip
