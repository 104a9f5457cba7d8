"""Predictions of a whole recording: in blocks of frames, each written, announced and done with.

A round is one pass with one set of weights. It can be stopped or killed at any moment: a round with
the same weights, settings and frames goes on where the last announced block ended, and one that is
complete is not done again. Several ranks share the blocks, each writes its own files, and the first
announces them all and writes the round's index.

Memory is bounded by two blocks' 2D points and the pictures that are loaded ahead, whatever the
recording's length: geometry and writing of one block go on beside the networks' work on the next.

Trap: a file on the disk is whole, but nobody's until it is announced; one that was left by a
process killed in between is taken over if it is of this round, else written anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.project.predictions import (
    PredictionBlock,
    PredictionsFile,
    RoundHeader,
    block_name,
    finish_round,
    write_predictions,
)
from core.project.predictions.rows import moment_keys, moments_of
from core.project.runs.config_io import config_hash
from core.project.runs.events import Predicted, PredictionRoundFinished, Progress
from trainer.prediction_geometry import PredictionSettings, sighting_scale_mm
from trainer.prediction_plan import WantedFirst, blocks_of, every_moment, groups_at
from trainer.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray
    from torch import nn

    from core.learning.batches import Batch, BatchRequest, GroupLoader
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks
    from trainer.predictor import SeenPart

SCALE_MOMENTS = 24
PROGRESS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a round ended.

    Attributes:
        round: its number; 0 where there was nothing to predict.
        finished: whether all of its blocks are written.
        num_moments: frames done in this call, on this rank.
        num_rows: people at them.
    """

    round: int
    finished: bool
    num_moments: int
    num_rows: int


def predict(
    context: Context,
    networks: Networks,
    *,
    stage: Stage,
    step: int,
    moments: NDArray[np.int64] | None = None,
    seconds: float = math.inf,
    loader: GroupLoader | None = None,
    at_least: int = 0,
    say_progress: bool = False,
    provenance: str = "",
    scale_mm: float | None = None,
) -> Outcome:
    """Predict everybody at these frames into the run's predictions.

    Every rank calls this at the same point. Where somebody asks to leave, the block at work is
    dropped and the round stays unfinished; the caller leaves. Files with frames that a window wants
    (``wanted.json``) come first; the wish is looked at before each file.

    Args:
        context: of the run; its section [predict] says how.
        networks: on the device.
        stage: after which the networks are as they are.
        step: of that stage.
        moments: (M, 2) (recording, frame) in the order of work; None = all, through time.
        seconds: leave the round unfinished after so long.
        at_least: files of this rank to write however long they take.
        loader: un-varied crops for these networks, maybe from a cache; None makes one without.
        say_progress: whether events tell how far it is (as stage ``predict``).
        provenance: of the weights, in words.
        scale_mm: noise scale, where neither the configuration nor the networks tell one; None =
            measured over some of the frames first.

    Raises:
        DataError: the options ask for what these networks have not, a calibration does not fit
            its pictures.
        OSError: a file cannot be written; there is none of that name then.
    """
    options = context.config.predict
    scope = "all" if moments is None else "some"
    if moments is None:
        moments = every_moment(context.data, options)
    if not len(moments):
        return Outcome(round=0, finished=True, num_moments=0, num_rows=0)
    learned = options.weighting == "learned"
    with Predictor(
        networks,
        context.data,
        context.device,
        batch=options.batch,
        learned=learned,
        single_view=options.single_view,
        workers=context.config.data.workers,
        loader=loader,
        said=lambda code, text: context.notice("warning", code, text),
    ) as predictor:
        known_mm = context.config.loss.scale_mm or networks.scale_mm or scale_mm
        work = _Round(
            context, networks, predictor, moments, scope, (stage, step), provenance, known_mm
        )
        return work.run(seconds, at_least, say_progress=say_progress)


class _Round:
    """One round at work, on one rank."""

    def __init__(
        self,
        context: Context,
        networks: Networks,
        predictor: Predictor,
        moments: NDArray[np.int64],
        scope: str,
        place: tuple[Stage, int],
        provenance: str,
        known_mm: float | None,
    ) -> None:
        self.context = context
        self.predictor = predictor
        self.folder = context.folder.predictions_dir
        self.blocks = blocks_of(moments, context.config.predict.block)
        self.place = place
        config = context.config
        self.how = PredictionSettings.of(config, known_mm)
        self.header = RoundHeader(
            run=context.folder.id,
            round=1,
            num_blocks=len(self.blocks),
            scope=scope,
            stage=place[0],
            step=place[1],
            key=self._key(networks, moments),
            cameras=context.data.recordings[0].rig.names,
            joints=context.data.skeleton.joints,
            recordings=tuple(recording.name for recording in context.data.recordings),
            has_single=predictor.has_single,
            settings=self.how.to_dict(),
            config_hash=config_hash(config),
            provenance=provenance,
        )
        self.announced: set[int] = set()
        self.parts: dict[int, list[BatchRequest]] = {}
        self.rows = 0

    def _key(self, networks: Networks, moments: NDArray[np.int64]) -> str:
        """Names weights, settings, cameras and frames together."""
        digest = hashlib.blake2b(digest_size=16)
        modules: list[nn.Module] = [networks.detector]
        if self.how.learned and networks.confidence is not None:
            modules.append(networks.confidence)
        if self.predictor.has_single and networks.lifter is not None:
            modules.append(networks.lifter)
        for module in modules:
            for name, tensor in module.state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        told = {**self.how.to_dict(), "block": self.context.config.predict.block}
        digest.update(json.dumps(told, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(moments).tobytes())
        for recording in self.context.data.recordings:
            digest.update(recording.name.encode() + recording.rig.projections.tobytes())
        return digest.hexdigest()

    def run(self, seconds: float, at_least: int = 0, *, say_progress: bool) -> Outcome:
        """Do this rank's blocks; see `predict`."""
        ranks, device = self.context.ranks, self.context.device.device
        begun = self._begin() if ranks.is_first else (self.header, set[int](), False)
        self.header, done, finished = ranks.from_first(begun)
        self.announced = set(done)
        if finished:
            return Outcome(round=self.header.round, finished=True, num_moments=0, num_rows=0)
        if not self._fix_scale():
            return Outcome(round=self.header.round, finished=False, num_moments=0, num_rows=0)
        todo = [block for block in range(len(self.blocks)) if block not in done]
        mine = todo[ranks.mine]
        moments = self._predict(mine, seconds, at_least, say_progress=say_progress)
        left_early = ranks.any(moments < sum(len(self.blocks[b]) for b in mine), device)
        ranks.wait()
        if ranks.is_first:
            self._announce_others()
            if not left_early:
                self._finish()
        return Outcome(
            round=self.header.round,
            finished=not left_early,
            num_moments=moments,
            num_rows=self.rows,
        )

    def _begin(self) -> tuple[RoundHeader, set[int], bool]:
        """The round to go on with, its blocks that are done, and whether it is finished.

        That is the newest round, if it is of the same key; or the one that a process was at which
        was killed before it announced anything; or a new one.
        """
        events, _ = self.context.folder.events()
        said = [event for event in events if isinstance(event, Predicted)]
        finished = {e.round for e in events if isinstance(e, PredictionRoundFinished)}
        newest = max((event.round for event in said), default=0)
        announced = {event.file.rpartition("/")[2] for event in said if event.round == newest}
        for number in (newest + 1, newest):
            there = {block: self._readable(number, block) for block in range(len(self.blocks))}
            done = {block: header for block, header in there.items() if header is not None}
            if not done:
                continue
            self.header = next(iter(done.values()))
            for block in done:
                if block_name(number, block) not in announced:
                    self._announce(block, self._num_rows(block))
            whole = number in finished and len(done) == len(self.blocks)
            return self.header, set(done), whole
        return replace(self.header, round=newest + 1), set(), False

    def _readable(self, round_number: int, block: int) -> RoundHeader | None:
        """The header of a block on the disk, if it can be read and belongs to this round."""
        path = self.folder / block_name(round_number, block)
        if not path.is_file():
            return None
        try:
            with PredictionsFile(path) as file:
                same = file.header.key == self.header.key and file.block == block
                return file.header if same else None
        except DataError as error:
            self.context.notice("warning", "unreadable-predictions", f"{error} Predicted again.")
            return None

    def _is_over(self) -> bool:
        """Whether somebody wants this rank to leave; every rank looks for itself."""
        context = self.context
        return context.asked_to_leave() is not None or context.folder.stop_requested()

    def _fix_scale(self) -> bool:
        """Have a noise scale: the round's own, or measured over frames spread over the recording.

        Returns:
            False where somebody asked to leave meanwhile.
        """
        told = self.header.settings.get("scale_mm")
        if isinstance(told, float | int):
            self._set_scale(float(told))
            return True
        ranks = self.context.ranks
        measured = self._measured_scale() if ranks.is_first else None
        measured = ranks.from_first(measured)
        if measured is None:
            return False
        self._set_scale(measured)
        return True

    def _set_scale(self, scale_mm: float) -> None:
        self.how = replace(self.how, settings=replace(self.how.settings, scale_mm=scale_mm))
        self.header = replace(self.header, settings=self.how.to_dict())

    def _measured_scale(self) -> float | None:
        keys = np.sort(np.concatenate([moment_keys(block) for block in self.blocks]))
        count = min(len(keys), SCALE_MOMENTS)
        chosen = moments_of(keys[np.linspace(0, len(keys) - 1, count).round().astype(np.int64)])
        requests = self.predictor.requests(groups_at(self.context.data, chosen))
        parts: list[SeenPart] = []
        with closing(self.predictor.loader.stream(requests)) as stream:
            for batch in stream:
                if self._is_over():
                    return None
                parts += self.predictor.see(batch)
        return sighting_scale_mm(self.predictor.sightings(parts))

    def _predict(
        self, mine: list[int], seconds: float, at_least: int, *, say_progress: bool
    ) -> int:
        """Do these blocks, wanted ones first; how many moments are done."""
        pace = _Pace(self, mine, say=say_progress)
        end = time.monotonic() + seconds
        order = WantedFirst(mine, self.blocks, self.context.folder.wanted_frames)
        writing: Future[tuple[int, int]] | None = None
        with (
            ThreadPoolExecutor(1, "trilabel-predictions") as pool,
            closing(self.predictor.loader.stream(self._requests(order))) as stream,
        ):
            for place, number in enumerate(order):
                until = end if place >= at_least else math.inf
                parts = self._seen(number, stream, until, pace)
                if parts is None:
                    break
                if writing is not None:
                    self._written(*writing.result(), pace)
                writing = pool.submit(self._write, number, parts)
            if writing is not None:
                self._written(*writing.result(), pace)
        return pace.done

    def _requests(self, order: Iterable[int]) -> Iterator[BatchRequest]:
        for number in order:
            yield from self._parts_of(number)

    def _parts_of(self, number: int) -> list[BatchRequest]:
        """What to load for a block; asked for by the stream, ahead, and by the loop."""
        if number not in self.parts:
            groups = groups_at(self.context.data, self.blocks[number])
            self.parts[number] = self.predictor.requests(groups)
        return self.parts[number]

    def _seen(
        self, number: int, stream: Iterator[Batch], until: float, pace: _Pace
    ) -> list[SeenPart] | None:
        """What the networks say about a block; None where it is time to leave."""
        found: list[SeenPart] = []
        count = len(self._parts_of(number))
        for place in range(count):
            if self._is_over() or time.monotonic() > until:
                return None
            found += self.predictor.see(next(stream))
            pace.within(number, (place + 1) / count)
        del self.parts[number]
        pace.block_seen(number)
        return found

    def _write(self, number: int, parts: list[SeenPart]) -> tuple[int, int]:
        rows = self.predictor.finished(parts, self.how)
        content = PredictionBlock(moments=self.blocks[number], rows=rows)
        path = self.folder / block_name(self.header.round, number)
        return number, write_predictions(path, self.header, number, content)

    def _written(self, number: int, rows: int, pace: _Pace) -> None:
        self._announce(number, rows)
        self.rows += rows
        pace.block_done(number)
        if self.context.ranks.is_first:
            self._announce_others()

    def _announce(self, number: int, rows: int) -> None:
        frames = self.blocks[number][:, 1]
        name = block_name(self.header.round, number)
        self.announced.add(number)
        self.context.emit(
            Predicted(
                round=self.header.round,
                file=f"{self.folder.name}/{name}",
                first_frame=int(frames.min()),
                stop_frame=int(frames.max()) + 1,
                rows=rows,
            )
        )

    def _announce_others(self) -> None:
        """Announce what other ranks have written since."""
        if self.context.ranks.size == 1:
            return
        for number in range(len(self.blocks)):
            if number not in self.announced and self._readable(self.header.round, number):
                self._announce(number, self._num_rows(number))

    def _num_rows(self, block: int) -> int:
        with PredictionsFile(self.folder / block_name(self.header.round, block)) as file:
            return len(file)

    def _finish(self) -> None:
        names = [block_name(self.header.round, number) for number in range(len(self.blocks))]
        finish_round(self.folder, names)
        stage, step = self.place
        self.context.emit(PredictionRoundFinished(round=self.header.round, stage=stage, step=step))


class _Pace:
    """How far a round is, said about once a second."""

    def __init__(self, work: _Round, mine: list[int], *, say: bool) -> None:
        self.work = work
        self.say = say
        self.done = self.seen = 0
        self.total = sum(len(work.blocks[b]) for b in mine)
        everything = sum(map(len, work.blocks))
        # Other ranks do as much as this one meanwhile.
        self.share = work.context.ranks.size
        self.before = max(0, everything - self.total * self.share)
        self.everything = everything
        self.began = self.last = time.monotonic()

    def within(self, number: int, part: float) -> None:
        """A part of a block has passed the networks."""
        if time.monotonic() - self.last >= PROGRESS_S:
            self._say(self.seen + part * len(self.work.blocks[number]))

    def block_seen(self, number: int) -> None:
        """A block has passed the networks; it is being written."""
        self.seen += len(self.work.blocks[number])

    def block_done(self, number: int) -> None:
        """A block is on the disk."""
        self.done += len(self.work.blocks[number])
        if self.done == self.total:
            self._say(self.done)

    def _say(self, moments: float) -> None:
        self.last = time.monotonic()
        if not self.say or not moments:
            return
        pace = (self.last - self.began) / moments
        step = min(self.everything, round(self.before + moments * self.share))
        self.work.context.emit(
            Progress(
                stage="predict",
                step=step,
                steps=self.everything,
                seconds_left=pace * (self.total - moments),
                losses={},
                seconds_per_step=pace / self.share,
            )
        )
