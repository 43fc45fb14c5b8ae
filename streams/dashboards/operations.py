"""*Operations*: is every search watched, in time, and what keeps the workers busy?"""

from __future__ import annotations

from streams.dashboards.panels import Dashboard, Panel, Query, Row, one

_QUANTILE = "histogram_quantile(0.99, sum by (agent, le) (rate(probewatch_{}_seconds_bucket[5m])))"

OPERATIONS = Dashboard(
    "probewatch-operations",
    "Probewatch: Operations",
    "Whether every search is watched, and in time.",
    [
        Row(
            "At a glance",
            [
                Panel(
                    "Workers ready",
                    "Workers that hold their partitions and keep up; /readyz says why one does not.",
                    one("sum(probewatch_ready)", "ready"),
                    "stat", width=4, height=4,
                ),
                Panel(
                    "Judged within 5 s, last hour",
                    "The first objective is 99% over 30 days.",
                    one("1 - probewatch:delay_errors:ratio_rate1h", "in time"),
                    "stat", "percentunit", width=5, height=4,
                ),
                Panel(
                    "Refused or lost, last hour",
                    "The second objective is at most 0.1% over 30 days.",
                    one("probewatch:unkept:ratio_rate1h", "refused or lost"),
                    "stat", "percentunit", width=5, height=4, steps=(0.001, 0.0144),
                ),
                Panel(
                    "Unaccounted records",
                    "Read minus accepted, late, repeated, refused and ticks. Always 0.",
                    one("max(abs(probewatch:unaccounted:records))", "records"),
                    "stat", width=5, height=4, steps=(1, 1),
                ),
                Panel(
                    "Waiting to be read",
                    "Records beyond the committed offsets, all partitions.",
                    one("sum(probewatch_lag_records)", "records"),
                    "stat", width=5, height=4, steps=(1000, 100_000),
                ),
            ],
        ),
        Row(
            "Flow",
            [
                Panel(
                    "Searches a second",
                    "Accepted and judged lie upon each other when nothing waits between the two agents.",
                    [
                        Query("sum(rate(probewatch_searches_accepted_total[5m]))", "accepted"),
                        Query("sum(rate(probewatch_searches_judged_total[5m]))", "judged"),
                        Query("sum(rate(probewatch_searches_late_total[5m]))", "late"),
                        Query("sum(rate(probewatch_searches_duplicate_total[5m]))", "seen before"),
                    ],
                    unit="ops",
                ),
                Panel(
                    "Refused by reason",
                    "Each is in searches.refused with its place of origin.",
                    one(
                        "sum by (reason) (increase(probewatch_searches_refused_total[1h])) > 0", "{{reason}}"
                    ),
                    stacked=True,
                ),
                Panel(
                    "Delay from arrival to judgement",
                    "Each search of a batch counts with the delay of the oldest. The objective is 5 s.",
                    [
                        Query(
                            f"histogram_quantile({share}, "
                            "sum by (le) (rate(probewatch_judged_delay_seconds_bucket[5m])))",
                            f"{share:.0%}",
                        )
                        for share in (0.5, 0.9, 0.99)
                    ],
                    unit="s",
                ),
                Panel(
                    "Lag by agent",
                    "Records not yet durable. notify: alerts that Alertmanager has not taken.",
                    one("sum by (agent) (probewatch_lag_records)", "{{agent}}"),
                ),
                Panel(
                    "Age of the latest search by source",
                    "Sources that stand in config/sources.yaml.",
                    one("probewatch:source_age:seconds", "{{source}}"),
                    unit="s",
                ),
                Panel(
                    "Age of the oldest watermark",
                    "How far closed windows are behind the clock: by the lateness of sources, at best.",
                    one(
                        "max by (agent) (time() - (probewatch_watermark_timestamp_seconds > 0))", "{{agent}}"
                    ),
                    unit="s",
                ),
            ],
        ),
        Row(
            "Work",
            [
                Panel(
                    "Batch and checkpoint, 99th percentile",
                    "Seconds until Kafka confirmed everything.",
                    [
                        Query(_QUANTILE.format("batch"), "{{agent}} batch"),
                        Query(_QUANTILE.format("checkpoint"), "{{agent}} checkpoint"),
                    ],
                    unit="s",
                ),
                Panel(
                    "Records in a batch, mean",
                    "Small when all is quiet; at the limit when there is a backlog.",
                    one(
                        "sum by (agent) (rate(probewatch_batch_records_sum[5m]))"
                        " / sum by (agent) (rate(probewatch_batch_records_count[5m]))",
                        "{{agent}}",
                    ),
                ),
                Panel(
                    "State",
                    "Bytes of the last checkpoints.",
                    [
                        Query("sum by (agent) (probewatch_state_bytes)", "{{agent}}"),
                    ],
                    unit="bytes",
                ),
                Panel(
                    "Messages not yet confirmed",
                    "Handed to Kafka and on the way.",
                    one("sum by (agent) (probewatch_outbox_messages)", "{{agent}}"),
                ),
                Panel(
                    "Rebalances and refused commits",
                    "Each rebalance repeats the last moments of work.",
                    [
                        Query(
                            "sum by (instance) (increase(probewatch_rebalances_total[30m]))", "{{instance}}"
                        ),
                        Query(
                            "sum by (instance) (increase(probewatch_commit_failures_total[30m]))",
                            "{{instance}} refused commits",
                        ),
                    ],
                ),
                Panel(
                    "Alerts to Alertmanager",
                    "Posted, repeated, tried again and refused, an hour.",
                    one(
                        "sum by (outcome) (increase(probewatch_alertmanager_alerts_total[1h]))", "{{outcome}}"
                    ),
                ),
                Panel(
                    "Alerts of operations that fire",
                    "Each names a page in docs/runbooks.",
                    one(
                        'count by (alertname, severity) (ALERTS{alertstate="firing"}) or vector(0)',
                        "{{alertname}}",
                    ),
                    "table",
                ),
                Panel(
                    "What is running",
                    "Two lines with different digests: a worker has an older configuration.",
                    one("count by (version, config_digest) (probewatch_build_info)", "{{version}}"),
                    "table",
                ),
            ],
        ),
    ],
)  # fmt: skip
