"""The labelled detection benchmark: our detectors and plain ones beside them, on the same simulated log.

`python -m bench.detection --seeds 0-2 100-101 --scales 20k --page docs/detection.md` simulates three years
for every seed and scale, learns in the first, fixes thresholds on the second, which is honest, and
scores the third, which holds all misuse.
"""
