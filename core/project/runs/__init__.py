"""Trainings of a project, as folders: configuration, events, checkpoints, predictions; no torch."""
