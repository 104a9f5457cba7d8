"""Networks: the detector, the lifter, the learned view weights, and their files.

Everything runs on CPU, CUDA and MPS, under bfloat16 autocast (points stay float32) and under
torch.compile. Importing this package imports torch.
"""

from core.models.confidence import ViewConfidence
from core.models.detector import (
    Detections,
    Detector,
    DetectorSpec,
    gaussian_heatmaps,
    soft_argmax,
)
from core.models.lifter import Lifter, LifterSpec
from core.models.weights_files import (
    LoadReport,
    demo_weights_path,
    load_detector,
    load_image_weights,
    load_lifter,
    load_view_confidence,
    make_detector,
    make_lifter,
    resolve_weights,
    save_model,
)

__all__ = [
    "Detections",
    "Detector",
    "DetectorSpec",
    "Lifter",
    "LifterSpec",
    "LoadReport",
    "ViewConfidence",
    "demo_weights_path",
    "gaussian_heatmaps",
    "load_detector",
    "load_image_weights",
    "load_lifter",
    "load_view_confidence",
    "make_detector",
    "make_lifter",
    "resolve_weights",
    "save_model",
    "soft_argmax",
]
