"""A seeded generator of face-search audit logs with labelled misuse and labelled honest traps.

Read in this order: `city` (who may search), `roster` (who serves where and when), `demand` (how
many cases), `searches` (what a case leaves in the log), `customs` (what else units record),
`benchmark` (what is laid where), `incidents/` (misuse, one file each), `decoys` (honest life that
must not alarm), `arrival` (when the log is delivered), `writing`.
"""
