"""The shell: Kafka, clock, HTTP and environment round the pure core in `models/`."""

VERSION = "0.1.0"
