"""What can be said about a triangulation: of a frame, a joint, a recording, and its calibration.

Numbers and plain words, free of any window: the views draw them, the command line prints them.
Only numpy here; the compiled kernel of `core.geometry` is loaded when something is computed.
"""

from core.diagnosis.audit import VERDICTS, CameraAudit, WeightAudit, audit_weights
from core.diagnosis.check import (
    CameraReport,
    CheckReport,
    GroupReport,
    Suspect,
    check_project,
    check_recording,
)
from core.diagnosis.explain import Cure, JointExplanation, WhatIf, explain_joint
from core.diagnosis.frame import FrameDiagnosis, diagnose_frame
from core.diagnosis.identity import (
    SwapSuggestion,
    diagnose_identity,
    scan_identities,
    swaps_in_frame,
)
from core.diagnosis.lengths import EffectiveLengths, effective_lengths_mm
from core.diagnosis.source import estimate_recording_scale_mm
from core.diagnosis.summary import RecordingSummary, summarise
from core.diagnosis.summary_file import (
    load_or_summarise,
    load_summary,
    save_summary,
    summary_path,
)
from core.diagnosis.thresholds import (
    CORRECT_MM,
    ThresholdCurve,
    ThresholdSamples,
    ThresholdScore,
    threshold_curve,
    threshold_samples,
)
from core.diagnosis.uncertainty import JointUncertainty, joint_uncertainty, person_covariances_mm2
from core.diagnosis.warm import warm_up

__all__ = [
    "CORRECT_MM",
    "VERDICTS",
    "CameraAudit",
    "CameraReport",
    "CheckReport",
    "Cure",
    "EffectiveLengths",
    "FrameDiagnosis",
    "GroupReport",
    "JointExplanation",
    "JointUncertainty",
    "RecordingSummary",
    "Suspect",
    "SwapSuggestion",
    "ThresholdCurve",
    "ThresholdSamples",
    "ThresholdScore",
    "WeightAudit",
    "WhatIf",
    "audit_weights",
    "check_project",
    "check_recording",
    "diagnose_frame",
    "diagnose_identity",
    "effective_lengths_mm",
    "estimate_recording_scale_mm",
    "explain_joint",
    "joint_uncertainty",
    "load_or_summarise",
    "load_summary",
    "person_covariances_mm2",
    "save_summary",
    "scan_identities",
    "summarise",
    "summary_path",
    "swaps_in_frame",
    "threshold_curve",
    "threshold_samples",
    "warm_up",
]
