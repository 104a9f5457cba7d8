"""How a frame is triangulated: the options a person may change live, and a project remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weighting = Literal["none", "pairwise", "consensus"]
DiscardRule = Literal["wss", "support", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriangulationSettings:
    """The arguments of `core.geometry.robust_triangulate` that stay the same over a recording.

    Attributes:
        weighting: ``pairwise`` is the paper's (Eqs. 4-6), ``consensus`` the tool's default.
        discard: None = ``wss`` for pairwise, ``support`` for consensus, ``none`` for none.
        sigma_mm: σ of Eq. 5 in millimetres, or ``auto``: from the noise scale.
        wss_threshold_mm: λ in millimetres (against the root of WSS), or ``auto``.
        scale_mm: the recording's noise scale; None = not estimated yet.
        min_views: fewer observed views than this never count as kept.
        row_exponent: rows of view c are multiplied by w_c to this power.
    """

    weighting: Weighting = "consensus"
    discard: DiscardRule | None = None
    sigma_mm: float | Literal["auto"] = "auto"
    wss_threshold_mm: float | Literal["auto"] = "auto"
    scale_mm: float | None = None
    min_views: int = 3
    row_exponent: float = 1.0

    @property
    def rule(self) -> DiscardRule:
        """The discard rule in force."""
        if self.discard is not None:
            return self.discard
        defaults: dict[Weighting, DiscardRule] = {
            "pairwise": "wss",
            "consensus": "support",
            "none": "none",
        }
        return defaults[self.weighting]
