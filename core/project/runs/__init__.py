"""Trainings of a project, as folders: configuration, events, checkpoints, predictions; no torch.

config, options       what can be asked for               option_rows: the same as a table
config_io             TOML, presets, ``--set``
events, states        what a trainer says, and what it adds up to
folder, liveness      a run on the disk, and whether somebody works on it
following             what a run is doing now, for whoever watches
launching             starting, stopping and cancelling a trainer
"""
