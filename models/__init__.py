"""The pure core: searches and alerts as data, windows, statistics, detectors, policy.

Nothing here reads a clock, a file or the network (import-linter enforces it), so the
same code runs live, in replay, in back-tests and in tests.
"""
