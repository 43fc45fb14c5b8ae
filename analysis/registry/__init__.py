"""Models in the folder that workers and analysts share: artefacts, their states, and what serves."""
