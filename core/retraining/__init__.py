"""What a Retrain uses, and what it brought: no Qt, no torch.

    used.py            which labels a training learns from, counted and hashed
    inputs.py          all that a Retrain would use, for its dialog and `trilabel train --dry-run`
    fresh.py           what people did since a run took its snapshot
    impact.py          what changed from one run to the next: labels, pseudo-labels, errors
    learning_curve.py  errors against labels, run after run, and whether they still fall

Everything is read from what the trainer itself reads (`core.learning.data.open_data`, a run's
snapshot of the labels, its events), so that what is said is what is used.
"""
