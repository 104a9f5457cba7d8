"""The rows of the tables: what is varied, as settings of a training, and nothing else.

Every row starts from the same pre-trained detector of its seed. ``non-differentiable`` is
``detach_target``; rows without pairwise weights have no discard (METHOD, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import DataError

# The paper's five with the controls it lacks, in the order of its table.
TABLE2_ROWS = "supervised,nondiff-noweights,nondiff,noweights,learned,ours,consensus,teacher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant of the method.

    Attributes:
        key: in file names and results.
        label: in tables.
        settings: ``section.key=value``.
        paper: whether it is a row of the paper's Table 2.
        own_start: pre-trains by itself, since it has a network that the shared pre-training has
            not; as many steps from the same weights.
    """

    key: str
    label: str
    settings: tuple[str, ...]
    paper: bool = False
    own_start: bool = False


def _loss(**options: object) -> tuple[str, ...]:
    return tuple(f"loss.{name}={value}" for name, value in options.items())


_PEAKS = _loss(
    gradient="detach_target", weighting="consensus", evidence="heatmaps", loss_views="all"
)

ROWS = {
    row.key: row
    for row in (
        Row(
            key="supervised",
            label="supervised only (control)",
            settings=(
                "finetune.unlabelled_groups=0",
                *_loss(unlabelled_weight=0, weighting="pairwise", discard="wss"),
            ),
        ),
        Row(
            key="nondiff-noweights",
            label="non-differentiable w/o weights",
            settings=_loss(gradient="detach_target", weighting="none", discard="none"),
            paper=True,
        ),
        Row(
            key="nondiff",
            label="non-differentiable",
            settings=_loss(gradient="detach_target", weighting="pairwise", discard="wss"),
            paper=True,
        ),
        Row(
            key="noweights",
            label="w/o weights",
            settings=_loss(gradient="full", weighting="none", discard="none"),
            paper=True,
        ),
        Row(
            key="learned",
            label="learned weights (Iskakov)",
            settings=_loss(gradient="full", weighting="learned", discard="none"),
            paper=True,
            own_start=True,
        ),
        Row(
            key="ours",
            label="ours (the paper's method)",
            settings=_loss(gradient="full", weighting="pairwise", discard="wss"),
            paper=True,
        ),
        Row(
            key="consensus",
            label="consensus weights",
            settings=_loss(gradient="full", weighting="consensus", discard="support"),
        ),
        Row(
            key="teacher",
            label="consensus + mean teacher + all views",
            settings=_loss(
                gradient="detach_target",
                weighting="consensus",
                discard="support",
                teacher="true",
                loss_views="all",
            ),
        ),
        Row(
            key="teacher-gated",
            label="consensus + mean teacher, gate of 4 views, all views",
            settings=_loss(
                gradient="detach_target",
                weighting="consensus",
                discard="support",
                teacher="true",
                loss_views="all",
                gate_views=4,
            ),
        ),
        Row(
            key="gated",
            label="consensus, gate of 4 views, all views",
            settings=_loss(
                gradient="detach_target",
                weighting="consensus",
                discard="support",
                loss_views="all",
                gate_views=4,
            ),
        ),
        Row(
            key="peaks",
            label="heatmaps triangulated, all views",
            settings=_PEAKS,
        ),
        Row(
            key="consensus-light",
            label="consensus weights, 0.25 of L_tri",
            settings=_loss(
                gradient="detach_target",
                weighting="consensus",
                discard="support",
                unlabelled_weight=0.25,
            ),
        ),
        Row(
            key="peaks-light",
            label="heatmaps triangulated, all views, 0.25 of L_tri",
            settings=(*_PEAKS, *_loss(unlabelled_weight=0.25)),
        ),
        Row(
            key="peaks-teacher",
            label="heatmaps of a mean teacher triangulated, all views",
            settings=(*_PEAKS, *_loss(teacher="true")),
        ),
        Row(
            key="supervised-heatmap",
            label="supervised only, heatmaps too",
            settings=(
                "finetune.unlabelled_groups=0",
                "finetune.heatmap_weight=1",
                *_loss(unlabelled_weight=0, weighting="consensus", discard="support"),
            ),
        ),
        Row(
            key="peaks-heatmap",
            label="heatmaps triangulated, all views, heatmaps on labels and pseudo-labels",
            settings=(*_PEAKS, "finetune.heatmap_weight=1", *_loss(heatmap_weight=1)),
        ),
        Row(
            key="peaks-modes",
            label="heatmaps triangulated, each view's own mode there strengthened",
            settings=(
                *_PEAKS,
                "finetune.heatmap_weight=1",
                *_loss(heatmap_weight=1, unlabelled_weight=0, loss_views="weighted"),
            ),
        ),
        Row(
            key="literal",
            label="ours, σ = 10 mm and λ = 20 mm as printed",
            settings=_loss(
                gradient="full",
                weighting="pairwise",
                discard="wss",
                sigma_mm=10,
                wss_threshold_mm=20,
            ),
        ),
        Row(
            key="detach-prediction",
            label="ours, gradient through the triangulation alone",
            settings=_loss(gradient="detach_prediction", weighting="pairwise", discard="wss"),
        ),
        Row(
            key="frozen",
            label="ours, targets frozen before fine-tuning",
            settings=_loss(gradient="frozen", weighting="pairwise", discard="wss"),
        ),
    )
}


def rows_of(keys: str) -> tuple[Row, ...]:
    """The rows by their keys, with commas between.

    Raises:
        DataError: there is no such row.
    """
    wanted = [key.strip() for key in keys.split(",") if key.strip()]
    for key in wanted:
        if key not in ROWS:
            raise DataError(
                "--set rows",
                expected=f"some of {', '.join(ROWS)}",
                found=repr(key),
                remedy="Write their names with commas between.",
            )
    return tuple(ROWS[key] for key in wanted)
