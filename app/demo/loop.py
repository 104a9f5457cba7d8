"""The loop that trilabel is for, walked by hand: fix, Retrain, watch it improve, accept.

The hand knows where joints are as a person does who looks at the picture: a simulated annotator
reads the match's truth. The training is the window's own, preset quick without its lifter.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF
from PySide6.QtWidgets import QCheckBox, QStyle, QStyleOptionButton

from app.format import counted, duration, length
from core.labelling import MoveJoints
from core.project import JointKey
from core.project.runs.states import LIVING
from core.synthetic.annotator import Annotator
from core.synthetic.truth import read_truth

if TYPE_CHECKING:
    from pathlib import Path

    from app.demo.hands import Hands
    from app.retrain import RetrainDialog
    from core.project.runs.following import RunReport

_NUM_FIXES = 5
_NUM_TRIED = 25
_LEAST_PX = 6.0  # on the screen: what lies nearer is right already
_TRAINING_S = 1800.0
_ERROR = "mv_mpjpe"


class Loop:
    """One round of it, in a window with the demo's match.

    Args:
        hands: on the window.
        truth: of the match.
    """

    def __init__(self, hands: Hands, truth: Path) -> None:
        self._hands = hands
        self._window = hands.window
        self._session = hands.window.session
        self._annotator = Annotator(read_truth(truth))

    def run(self) -> None:
        """Fix five joints that the queue asks for, retrain, watch, compare, accept."""
        hands, started = self._hands, time.monotonic()
        hands.key("Shift+Z")
        fixed = self._fix()
        hands.report(f"Fixed {counted(fixed, 'joint')} in {duration(time.monotonic() - started)}")
        run_id = self._retrain()
        self._watch(run_id)
        self._judge()

    # Fix.

    def _fix(self) -> int:
        hands, window = self._hands, self._window
        walk = window.panels.queue.walk
        fixed = 0
        hands.key("Space")
        hands.wait(lambda: walk.item is not None, "the first item of the queue")
        for _ in range(_NUM_TRIED):
            hands.wait(lambda: window.is_settled, "rest")
            fixed += self._fixes_item(is_first=fixed == 0)
            if fixed == _NUM_FIXES:
                break
            before = walk.item
            hands.key("Space")
            hands.wait(lambda was=before: walk.item is not was, "the next item of the queue")
        hands.shot("fixed")
        return fixed

    def _fixes_item(self, *, is_first: bool) -> bool:
        """Drag the joint that the queue asks for to its place, in the view that errs most."""
        cursor = self._session.cursor
        if cursor.person is None or cursor.joint is None:
            return False
        hands = self._hands
        hands.key("Z")
        hands.wait(lambda: self._window.is_settled, "the person in all cameras")
        project = self._session.require_project()
        keys = [
            JointKey(cursor.frame, camera, cursor.person, cursor.joint)
            for camera in range(len(project.rig))
        ]
        ways = {key: self._way(key) for key in keys}
        key = max(keys, key=lambda one: ways[one].length())
        line = ways[key]
        if line.length() < _LEAST_PX:
            return False
        if is_first:
            hands.shot("what the queue asks for")
        hands.drag(self._window.views, line.p1().toPoint(), line.p2().toPoint())
        return key in project.labels.rows("labels", [key])

    def _way(self, key: JointKey) -> QLineF:
        """From where a joint is drawn in a view to where it is seen; of no length without both."""
        panel = self._window.views.panel_of(key.camera)
        start, answer = panel.place_of(key.person, key.joint), self._annotator.answer(key)
        if start is None or not isinstance(answer, MoveJoints):
            return QLineF()
        x, y = panel.transform.to_widget(np.array(answer.points_px)).reshape(2).tolist()
        is_inside = panel.cell.picture.contains(x, y)
        return QLineF(start, QPointF(x, y)) if is_inside else QLineF()

    # Retrain.

    def _retrain(self) -> str:
        hands, watch = self._hands, self._window.watch
        hands.key("Ctrl+R")
        dialog = self._dialog()
        hands.wait(lambda: dialog.inputs is not None, "what a Retrain would use")
        _untick(hands, dialog.overview.stages["lift"])
        hands.wait(lambda: dialog.is_settled, "an estimate of the time", at_most_s=300)
        hands.shot("Retrain says what it will use", dialog, settled=False)
        known = set(watch.reports)
        hands.click(dialog.start_button)
        hands.wait(lambda: watch.living and not set(watch.living) <= known, "a training")
        (run_id,) = set(watch.living) - known
        return run_id

    def _dialog(self) -> RetrainDialog:
        from app.retrain import RetrainDialog

        def found() -> RetrainDialog | None:
            return self._window.findChild(RetrainDialog)

        self._hands.wait(found, "the Retrain dialog")
        dialog = found()
        assert dialog is not None
        return dialog

    # Watch.

    def _watch(self, run_id: str) -> None:
        hands, session = self._hands, self._session
        hands.key("Ctrl+Shift+J")
        hands.wait(lambda: self._is_shown(run_id), "the first predictions", at_most_s=_TRAINING_S)
        hands.wait(lambda: self._window.views.is_settled, "the first predictions in the views")
        hands.shot("its first predictions are in the views", settled=False)
        seen = len(self._report(run_id).state.evaluations)
        for _ in range(3):  # work goes on
            hands.key("D")
            hands.wait(lambda: self._window.views.is_settled, "the next frame")
        hands.wait(
            lambda: self._is_over(run_id) or len(self._report(run_id).state.evaluations) > seen + 1,
            "another look at the held-out people",
            at_most_s=_TRAINING_S,
        )
        hands.shot("working on while it trains", settled=False)
        hands.wait(lambda: self._is_over(run_id), "the end of the training", at_most_s=_TRAINING_S)
        hands.wait(lambda: session.summary is not None and self._window.is_settled, "rest")
        report = self._report(run_id)
        hands.shot("the training is done")
        errors = [one.metrics[_ERROR] for one in report.state.evaluations if _ERROR in one.metrics]
        text = f"The training is {report.status}, in {duration(report.state.worked_s)}"
        if errors:
            text += f": held-out error {length(errors[0])} before, {length(errors[-1])} after"
        hands.report(text)
        if report.status != "done":
            hands.report(report.text)

    def _report(self, run_id: str) -> RunReport:
        return self._window.watch.reports[run_id]

    def _is_over(self, run_id: str) -> bool:
        return self._report(run_id).status not in LIVING

    def _is_shown(self, run_id: str) -> bool:
        source = self._session.source
        return self._is_over(run_id) or (source is not None and source.name == run_id)

    # Compare and accept.

    def _judge(self) -> None:
        hands, panel = self._hands, self._window.panels.rounds

        def is_at_rest() -> bool:
            return panel.is_settled and not panel.comparing.is_comparing

        hands.key("Ctrl+Shift+C")
        hands.wait(lambda: self._session.compared is not None, "a comparison")
        hands.wait(is_at_rest, "what the training changed")
        hands.key("Ctrl+]")
        hands.key("Z")
        hands.shot("what the training changed")
        hands.hold("B", lambda: hands.shot("the same before, while B is held"))
        panel.bar.scope.setCurrentIndex(panel.bar.scope.findData("all"))
        hands.wait(panel.bar.accept.isEnabled, "something to accept")
        project = self._session.require_project()
        hands.click(panel.bar.accept)
        hands.wait(
            lambda: len(project.accepted_between(0, project.num_frames).keys) > 0, "accepted points"
        )
        hands.wait(is_at_rest, "rest")
        hands.shot("accepted")
        accepted = project.accepted_between(0, project.num_frames)
        hands.report(f"Accepted {counted(len(accepted.keys), 'point')}; labels stay as they were")
        runs = self._window.panels.runs
        hands.key("Ctrl+Shift+J")
        runs.tabs.setCurrentWidget(runs.impact)
        hands.wait(lambda: runs.impact.is_settled, "what the round brought")
        hands.shot("what the round brought")


def _untick(hands: Hands, box: QCheckBox) -> None:
    """Click the box itself: a click beside its words does nothing."""
    option = QStyleOptionButton()
    box.initStyleOption(option)
    element = QStyle.SubElement.SE_CheckBoxIndicator
    hands.click(box, box.style().subElementRect(element, option, box).center())
    assert not box.isChecked()
