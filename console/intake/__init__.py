"""From Kafka, or from a file of alerts, into the store."""
