"""A simulated annotator of a synthetic match: asked for a joint in a view, it clicks as people do.

It knows the truth, as somebody who looks at the picture does; whoever asks must not. Joints that
are hidden are guessed, worse than visible ones (as the annotations of a synthetic match are), now
and then a click slips, and a joint outside the picture is answered by saying so. Each answer is
drawn from its own place and the annotator's seed, so that it does not depend on who asks when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.labelling import place_joint
from core.project import SetVisibility
from core.synthetic.sight import Sight

if TYPE_CHECKING:
    from core.project import Edit, JointKey
    from core.synthetic.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How well somebody clicks.

    Attributes:
        noise_px: standard deviation of a click on a visible joint, along each axis.
        hidden_by_self: how many times worse a joint is guessed behind the person's own body.
        hidden_by_others: the same, behind somebody or something else.
        slip_chance: of a click that lands elsewhere.
        slip_px: how far, standard deviation along each axis.
    """

    noise_px: float = 1.0
    hidden_by_self: float = 2.0
    hidden_by_others: float = 4.0
    slip_chance: float = 0.01
    slip_px: float = 10.0


class Annotator:
    """Answers for the joints of one synthetic match."""

    def __init__(self, truth: Truth, habits: Habits | None = None, *, seed: int = 0) -> None:
        """Let somebody with these habits see the match."""
        self._truth = truth
        self._habits = Habits() if habits is None else habits
        self._seed = seed
        self._rows = {person: row for row, person in enumerate(truth.persons.tolist())}
        self.num_answers = 0

    def answer(self, key: JointKey) -> Edit:
        """What somebody does who is asked for a joint in a view: a click, or "outside".

        Args:
            key: of a tracked person of the match.
        """
        truth, habits = self._truth, self._habits
        place = key.frame, self._rows[key.person], key.camera, key.joint
        self.num_answers += 1
        sight = Sight(int(truth.sight[place]))
        point = truth.points_px[place].astype(np.float64)
        if sight == Sight.OUTSIDE or not np.isfinite(point).all():
            return SetVisibility(keys=(key,), visibility="outside")
        rng = np.random.default_rng([self._seed, *key])
        worse = 1.0
        if sight == Sight.SELF:
            worse = habits.hidden_by_self
        elif sight != Sight.VISIBLE:
            worse = habits.hidden_by_others
        spread = habits.noise_px * worse
        if rng.random() < habits.slip_chance:
            spread = habits.slip_px
        return place_joint(key, point + rng.normal(0.0, spread, 2))
