"""`open_data`: from options to the groups that a training learns from.

Trap: an unlabelled group may have a label in the data set (a protocol that uses a tenth of them,
say). It is taken away here, so that no stage can learn from it by mistake.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.learning.data.posedata import PoseData
from core.learning.data.protocols import Protocol, read_protocol
from core.learning.data.selection import select
from core.learning.data.shuffling import shuffled

if TYPE_CHECKING:
    from core.learning.data.dataset import DataSet
    from core.learning.data.groups import GroupList
    from core.learning.data.recordings import PoseRecording
    from core.project.runs.config import DataOptions


def open_data(
    options: DataOptions,
    *,
    project_dir: Path | None = None,
    labels_db: Path | None = None,
    seed: int = 0,
) -> PoseData:
    """Open a data set and divide it by its protocol; close the answer when done.

    The same options, files and seed give the same groups, in the same order.

    Args:
        options: which protocol, of what data, and how much of it.
        project_dir: the run's own project, for protocols about projects; `options.source` is used
            in its place where it is given.
        labels_db: the run's snapshot of that project's labels; None = its labels as they are.
        seed: of `shuffle_labels`.

    Raises:
        DataError: where the protocol, a file or a camera is missing or wrong, or there is nothing
            to learn from at all.
    """
    protocol = read_protocol(options.protocol)
    dataset = _open(protocol, options, project_dir, labels_db)
    selection = select(dataset, protocol, options)
    data = PoseData(
        name=f"{dataset.name} by {protocol.name}",
        recordings=_without_other_labels(
            dataset.recordings, selection.labelled, selection.held_out
        ),
        skeleton=dataset.skeleton,
        labelled=selection.labelled,
        unlabelled=selection.unlabelled,
        held_out=selection.held_out,
        notes=(protocol.title, *selection.notes),
    )
    if not (data.labelled or data.unlabelled or data.held_out):
        raise DataError(
            dataset.name,
            expected="people with a place, or labels, in at least one picture",
            found="nobody",
            remedy="Import tracks, detections or labels, or use other cameras.",
        )
    if options.shuffle_labels:
        return replace(data, recordings=shuffled(data.recordings, data.labelled, seed))
    return data


def _without_other_labels(
    recordings: tuple[PoseRecording, ...], labelled: GroupList, held_out: GroupList
) -> tuple[PoseRecording, ...]:
    """The recordings with the labels of these groups alone; of labelled ones, accepted points too.

    A held-out group keeps what people labelled: nothing is measured against pseudo-labels.
    """
    found: list[PoseRecording] = []
    for number, recording in enumerate(recordings):
        learned, kept = (g.rows[g.rows[:, 0] == number, 1:] for g in (labelled, held_out))
        labels = recording.labels.of(np.concatenate([learned, kept]))
        if recording.accepted is not None:
            labels = labels.completed_by(recording.accepted.of(learned))
        found.append(replace(recording, labels=labels))
    return tuple(found)


def _open(
    protocol: Protocol, options: DataOptions, project_dir: Path | None, labels_db: Path | None
) -> DataSet:
    cameras = options.cameras or protocol.cameras
    if protocol.dataset == "project":
        from core.learning.data.several_projects import open_projects, projects_in
        from core.learning.data.trilabel_project import open_project

        folder = Path(options.source) if options.source else project_dir
        if folder is None:
            raise _no_source(protocol, "a project, or of several")
        several = projects_in(folder) if options.source else []
        if several:
            return open_projects(several, protocol, cameras, use_accepted=options.use_accepted)
        snapshot = None if options.source else labels_db
        return open_project(folder, protocol, cameras, snapshot, use_accepted=options.use_accepted)
    if protocol.labels == "detections":
        raise DataError(
            protocol.name,
            "labels",
            expected="hand: only projects have imported detections",
            found="detections",
            remedy="Import the data set as a project, and use project-detections.",
        )
    if not options.source:
        raise _no_source(protocol, f"{protocol.dataset} data")
    return _open_folder(protocol, Path(options.source), cameras)


def _open_folder(protocol: Protocol, folder: Path, cameras: tuple[str, ...]) -> DataSet:
    # Readers are imported when needed: each brings its format's libraries along.
    if protocol.dataset == "sportcenter":
        from core.learning.data.sportcenter import open_sportcenter

        return open_sportcenter(folder, cameras)
    if protocol.dataset == "human36m":
        from core.learning.data.human36m import open_human36m

        return open_human36m(folder, protocol, cameras)
    from core.learning.data.mpi_inf_3dhp import open_test_sets, open_training_set

    if protocol.dataset == "mpi-inf-3dhp":
        return open_training_set(folder, protocol, cameras)
    return open_test_sets(folder, protocol)


def _no_source(protocol: Protocol, what: str) -> DataError:
    return DataError(
        "data.source",
        expected=f"the folder of {what}, for the protocol {protocol.name}",
        found="nothing",
        remedy="Give it: --set data.source=FOLDER.",
    )
