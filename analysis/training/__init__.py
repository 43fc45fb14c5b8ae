"""From a log to an artefact: features, pipelines, comparison on time that no model has seen."""
