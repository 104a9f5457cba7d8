"""What a run predicted: immutable HDF5 files, one a block of frames, and their reader. No torch.

    rows.py     the values: rows keyed by (recording, frame, person), what a round says of itself
    file.py     one block of frames on disk
    index.py    one finished round on disk: where its frames are, and its aggregates
    announced.py what the events say of files, and what was read of them
    reader.py   `RunPredictions`: the newest of all rounds, composed; what the window reads

A *round* is one pass over frames with one set of weights and settings. A run has several: after
each evaluation a few frames, at its end all of them. Files are written under a temporary name,
flushed, renamed, and only then announced in events.jsonl; nothing is ever written to again.
"""

from core.project.predictions.file import PredictionsFile, block_name, write_predictions
from core.project.predictions.index import finish_round
from core.project.predictions.reader import FramePredictions, News, RoundState, RunPredictions
from core.project.predictions.rows import (
    Aggregates,
    PredictionBlock,
    PredictionRows,
    RoundHeader,
)

__all__ = [
    "Aggregates",
    "FramePredictions",
    "News",
    "PredictionBlock",
    "PredictionRows",
    "PredictionsFile",
    "RoundHeader",
    "RoundState",
    "RunPredictions",
    "block_name",
    "finish_round",
    "write_predictions",
]
