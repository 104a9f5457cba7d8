"""Trainings of a project, as folders: configuration, events, checkpoints, predictions; no torch.

config, options       what can be asked for               option_rows: the same as a table
config_io             TOML, presets, ``--set``
events, states        what a trainer says, and what it adds up to
folder, liveness      a run on the disk, and whether somebody works on it
following             what a run is doing now, for whoever watches
turns                 whose turn it is on a device of this machine
samples, wanted       sample crops to look at; frames that a window would like predicted first
estimate              how long a run will take
trouble               what is wrong with one, in words
about, managing       name and note; comparing, sizes, deleting, weights, TensorBoard
launching             starting, stopping and cancelling a trainer
"""
