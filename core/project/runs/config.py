"""What a training is asked to do: one frozen value, free of torch, from which everything is made.

The defaults are METHOD's (section 4). Where these are not the paper's (σ and λ from the noise
scale, crops varied in place and size) the preset ``paper`` is; others in ``resources/presets``
change what a small machine needs changed. Field names are the keys of config.toml and of
``--set section.key``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.project.runs.options import option

Stage = Literal["pretrain", "finetune", "lift", "predict"]
STAGES: tuple[Stage, ...] = ("pretrain", "finetune", "lift", "predict")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The process: what it does, on what, and how it is made repeatable."""

    stages: tuple[Stage, ...] = option(STAGES, "Stages to do, in this order; leave out to skip.")
    seed: int = option(0, "Same seed and same configuration, same run on one CPU.", low=0)
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps; auto takes the fastest there is.")
    amp: bool = option(True, "bfloat16 networks on CUDA; geometry and losses stay float32/64.")
    wait_turn: bool = option(
        True, "Wait until no other run works on the device; two at once only slow each other down."
    )
    channels_last: bool = option(True, "Picture layout that convolutions like best.")
    compile: bool = option(False, "torch.compile the networks: a slow start, faster steps.")
    threads: int = option(
        0,
        "CPU threads of each process; 0 = as OMP_NUM_THREADS says, else its share of the cores.",
        low=0,
    )
    micro_batch: int = option(
        0,
        "Groups that pass through the network at once; 0 = all. Halved where memory is short.",
        low=0,
    )
    clip_gradient: float = option(0.0, "Longest gradient (its norm); 0 = no limit.", low=0)
    checkpoint_every: int = option(100, "Steps between two checkpoints.", low=1, unit="steps")
    report_every: int = option(10, "Steps between two lines of progress.", low=1, unit="steps")
    evaluate_every: int = option(
        200, "Steps between two looks at the held-out groups; 0 = at the end only.", low=0
    )
    feedback: bool = option(
        True,
        "Predict up to 200 frames after each evaluation of the detector, the most telling first.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Which people, frames and cameras are learned from, and which are kept for evaluation."""

    protocol: str = option(
        "project",
        "Who is labelled, unlabelled and held out: a name in resources/protocols, or a .toml file.",
        path="name or path",
    )
    source: str = option(
        "",
        "Folder of the data set that the protocol is about; empty = the run's own project.",
        path="path",
    )
    cameras: tuple[str, ...] = option((), "Cameras to use; empty = those of the protocol.")
    labelled_percent: float = option(
        100.0, "Share of the labelled groups to use, evenly spaced.", low=0, high=100, unit="%"
    )
    max_labelled: int = option(0, "At most so many labelled groups; 0 = all.", low=0)
    unlabelled_rate: int = option(
        0, "Take each n-th frame for the unlabelled groups; 0 = as the protocol says.", low=0
    )
    max_unlabelled: int = option(
        0, "At most so many unlabelled groups, evenly spaced; 0 = all.", low=0
    )
    held_out_percent: float = option(
        20.0,
        "Where the protocol names no test people: the last labelled frames kept for evaluation.",
        low=0,
        high=90,
        unit="%",
    )
    use_accepted: bool = option(
        True,
        "Learn from accepted pseudo-labels too, beside the share of labels that is used; nothing "
        "is evaluated on them.",
    )
    test_people_unlabelled: bool = option(
        False, "Let test people into the unlabelled pool (said in every report)."
    )
    shuffle_labels: bool = option(
        False, "Sanity check: give labels to the wrong frames. The results must be ruined."
    )
    cache_gb: float = option(4.0, "Bound of the crop cache on disk.", low=0, unit="GB")
    workers: int = option(-1, "Loading workers; -1 = by the machine, 0 = none.", low=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """The networks and what they start from."""

    detector: Literal["auto", "small", "fastpose"] = option(
        "auto", "auto: fastpose on a GPU, small without one."
    )
    depth: Literal[50, 101] = option(
        101, "Layers of FastPose's SE-ResNet; weights from a file bring their own."
    )
    width: Literal[128, 256] = option(
        128, "Channels of FastPose's last block; weights from a file bring their own."
    )
    input_height: int = option(0, "Crop height; 0 = 320 for fastpose, 128 for small.", low=0)
    input_width: int = option(0, "Crop width; 0 = 256 for fastpose, 96 for small.", low=0)
    temperature: float = option(0.0, "Of the soft-argmax; 0 = the network's own.", low=0)
    weights: str = option(
        "demo",
        "Start from: demo (the small detector that comes with trilabel), none, a run's id, "
        "or a file of weights (AlphaPose .pth, or one exported from a run).",
        path="name or path",
    )
    image_branch: Literal["auto", "resnet50", "small", "none"] = option(
        "auto", "The lifter's picture feature; auto: resnet50 on a GPU, small without one."
    )
    image_weights: str = option(
        "", "ImageNet state dict of ResNet-50; empty = untrained.", path="path"
    )
    freeze_image_branch: bool = option(False, "Keep the picture feature as loaded.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How labelled and unlabelled crops are varied (the geometry stays exact through all of it)."""

    color: float = option(0.4, "Strength of brightness, contrast, saturation, hue.", low=0, high=1)
    scale: float = option(0.2, "Crops grow or shrink by up to this share.", low=0, high=0.5)
    shift: float = option(0.08, "Crops move by up to this share of their size.", low=0, high=0.3)
    rotation: float = option(15.0, "Crops turn by up to this angle.", low=0, high=90, unit="°")
    flip: float = option(0.5, "Share of crops that are mirrored.", low=0, high=1)
    cutout: float = option(0.0, "Share of crops with a part painted over.", low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainOptions:
    """Stage 1: the detector on the labelled groups alone."""

    steps: int = option(2000, "Optimiser steps.", low=0)
    learning_rate: float = option(1e-4, "Of Adam.", low=0)
    decay: Literal["none", "cosine"] = option(
        "none", "cosine: the learning rate falls to 0 along half a cosine."
    )
    groups: int = option(8, "Labelled groups a step.", low=1)
    heatmap_weight: float = option(
        0.0, "Adds the heatmaps' own regression; what untrained networks need.", low=0
    )
    freeze_batch_norm: bool = option(False, "Keep the batch statistics as loaded.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneOptions:
    """Stage 2: the detector on labelled and unlabelled groups (L_sup + L_tri, Eqs. 1-3)."""

    steps: int = option(4000, "Optimiser steps.", low=0)
    learning_rate: float = option(1e-5, "Of Adam.", low=0)
    decay: Literal["none", "cosine"] = option(
        "none", "cosine: the learning rate falls to 0 along half a cosine."
    )
    labelled_groups: int = option(8, "Labelled groups a step.", low=0)
    unlabelled_groups: int = option(16, "Unlabelled groups a step.", low=0)
    heatmap_weight: float = option(0.0, "As in pretrain, on the labelled groups.", low=0)
    freeze_batch_norm: bool = option(True, "Keep the batch statistics as pre-trained.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOptions:
    """The unlabelled term and its variants."""

    unlabelled_weight: float = option(
        1.0, "Factor of L_tri; 0 = supervised-only, the control of every comparison.", low=0
    )
    ramp_steps: int = option(
        0, "Steps in which that factor (and the two below) grows from 0.", low=0
    )
    gradient: Literal["full", "detach_target", "detach_prediction", "frozen"] = option(
        "full",
        "full: through the triangulation too (the paper). detach_target: non-differentiable "
        "triangulation. frozen: targets computed once, before fine-tuning.",
    )
    weighting: Literal["none", "pairwise", "consensus", "learned"] = option(
        "pairwise", "Weights of the views in the triangulation; pairwise is the paper's."
    )
    evidence: Literal["points", "heatmaps"] = option(
        "points",
        "What is triangulated. points: the predicted joints (the paper). heatmaps: every strong "
        "peak of every view is a hypothesis that all heatmaps judge; needs gradient=detach_target "
        "or frozen, and has no use for weighting, discard, σ and λ.",
    )
    discard: Literal["auto", "wss", "support", "none"] = option(
        "auto", "When a joint's term is masked; auto: as the weighting's own rule."
    )
    sigma_mm: float = option(
        0.0, "σ of Eq. 5 (10 in the paper); 0 = from the noise scale.", low=0, unit="mm"
    )
    wss_threshold_mm: float = option(
        0.0, "λ (20 in the paper); 0 = from the noise scale.", low=0, unit="mm"
    )
    scale_mm: float = option(
        0.0, "Noise scale; 0 = measured once, before fine-tuning.", low=0, unit="mm"
    )
    min_views: int = option(3, "Fewer views than this never count as kept.", low=2)
    row_exponent: float = option(1.0, "Rows of view c are multiplied by w to this.", low=0, high=2)
    loss_views: Literal["weighted", "all"] = option(
        "weighted", "weighted: Eq. 3. all: every view of a kept joint counts 1."
    )
    gate_views: int = option(
        0, "Count a joint only where this many views have weight > 0.3; 0 = no gate.", low=0
    )
    residual_weight: float = option(
        0.0, "Adds the triangulation residual (smallest singular value) as a term.", low=0
    )
    heatmap_weight: float = option(
        0.0,
        "Adds the heatmaps' regression onto the pseudo-labels, as onto labels: it takes away the "
        "second modes that the soft-argmax averages.",
        low=0,
    )
    teacher: bool = option(False, "Mean teacher: an average of past detectors makes the targets.")
    teacher_decay: float = option(0.99, "Of that average, a step.", low=0, high=1)
    student_cutout: float = option(
        0.5, "Cut-out on the student's unlabelled crops, where there is a teacher.", low=0, high=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftOptions:
    """Stage 3: the lifter on labelled and triangulated poses, the detector fixed."""

    steps: int = option(4000, "Optimiser steps.", low=0)
    learning_rate: float = option(1e-4, "Of Adam.", low=0)
    decay: Literal["none", "cosine"] = option(
        "none", "cosine: the learning rate falls to 0 along half a cosine."
    )
    groups: int = option(64, "Groups a step, in all their views.", low=1)
    hidden: int = option(2048, "Width of the two hidden layers.", low=8)
    dropout: float = option(0.1, "After each hidden layer.", low=0, high=0.9)
    max_unlabelled: int = option(0, "At most so many pseudo-labelled groups; 0 = all.", low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """Stage 4: every person in every frame, streamed to the run's predictions."""

    every: int = option(1, "Each n-th frame.", low=1, unit="frames")
    first_frame: int = option(0, "First frame (0-based).", low=0)
    stop_frame: int = option(0, "Frame to stop before; 0 = the end.", low=0)
    block: int = option(100, "Frames in a file.", low=1)
    batch: int = option(64, "Crops that pass through the network at once.", low=1)
    single_view: bool = option(True, "Also the lifter's 3D pose of each view.")
    weighting: Literal["none", "pairwise", "consensus", "learned"] = option(
        "consensus", "Weights of the triangulation that is stored."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole training; each field is a section of config.toml."""

    run: RunOptions = field(default_factory=RunOptions)
    data: DataOptions = field(default_factory=DataOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    pretrain: PretrainOptions = field(default_factory=PretrainOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    lift: LiftOptions = field(default_factory=LiftOptions)
    predict: PredictOptions = field(default_factory=PredictOptions)
