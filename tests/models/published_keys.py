"""Names and shapes of published state dicts: facts about them, in ``published_keys.txt``.

A line is ``key shape``; ``{1-3}`` stands for blocks 1 to 3, and ``[bn]`` for the five entries of a
batch norm over that many channels.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """Shapes by key of one of the published networks, every key with its own line undone."""
    text = (Path(__file__).parent / "published_keys.txt").read_text(encoding="utf-8")
    section = text.split(f"== {variant}\n")[1].split("== ")[0]
    shapes: dict[str, tuple[int, ...]] = {}
    for line in section.strip().splitlines():
        pattern, _, sizes = line.partition(" ")
        shape = tuple(int(size) for size in sizes.split("x")) if sizes else ()
        for key in _blocks(pattern):
            if key.endswith(".[bn]"):
                for name in BATCH_NORM:
                    full = key.replace("[bn]", name)
                    shapes[full] = () if name == "num_batches_tracked" else shape
            else:
                shapes[key] = shape
    return shapes


def published_state(variant: str, *, counters: bool = True) -> dict[str, torch.Tensor]:
    """Tensors of these shapes, each full of a number of its own (one number in the file)."""
    return {
        key: torch.tensor(7 if key.endswith("num_batches_tracked") else 1 / (1 + i)).expand(shape)
        for i, (key, shape) in enumerate(published_shapes(variant).items())
        if counters or not key.endswith("num_batches_tracked")
    }


def _blocks(pattern: str) -> list[str]:
    found = re.search(r"\{(\d+)-(\d+)\}", pattern)
    if found is None:
        return [pattern]
    numbers = range(int(found[1]), int(found[2]) + 1)
    return [pattern.replace(found[0], str(number)) for number in numbers]
