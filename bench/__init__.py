"""Benchmarks, the labelled scenario generator and the evaluation of alerts against its labels."""
