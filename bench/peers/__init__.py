"""The same small job in other ways: count the searches of each requester, state durable, and flag a
search with a tool that is not approved by writing its id to a topic.

Each file is a program that needs nothing of this repository, as the makers' documentation would have
it written. `python FILE JOB` takes a JSON object: `bootstrap`, `topic` (keyed by requester), `flagged`
(topic), `partitions`, `messages`, `approved` (tools), `folder` (empty, its own), `name` (unique). It
writes `result.json` there: `counts`, read back from what is durable, and `seconds` from its first
message until the last one is counted and durable.
"""
