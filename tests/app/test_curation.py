"""Curating in the window: what is shown, reviews by key, queries, and the timeline that follows."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from app.main_window import MainWindow
from app.preferences import Preferences
from app.shot import settle
from core.project import JointKey, Project, ReviewState, SetJoints
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from tests.app.views_world import make_project, make_world
from tests.curation.predicted_rounds import predict

NO_PICTURES = tuple(f"ace_{i}" for i in range(8))
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def curating(qapp, tmp_path_factory):
    """A window on a project with a run of two rounds, the Curate panel in front."""
    folder = tmp_path_factory.mktemp("curating")
    path = folder / "own.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=12), without=NO_PICTURES).close()
    with Project.open(path) as project:
        run = RunFolder.create(project.path / "runs", TrainConfig(), name="try")
        predict(project, run, 1, [0, 1, 3, 4])
        predict(project, run, 2, [0, 3])
    window = MainWindow(preferences=Preferences(folder / "preferences.ini"))
    window.resize(1600, 900)
    window.show()
    window.activateWindow()
    settle(window.isActiveWindow)
    window.session.open_project(path)
    window.docks.show(window.panels.curate)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def window(curating):
    """At rest on the first frame, detections shown, nothing reviewed."""
    session = curating.session
    while session.project.undo_description:
        session.undo()
    session.set_source(None)
    session.set_frame(0)
    session.select(person=2, joint=5, camera=0)
    curating.panels.curate.field.clear()
    curating.views.setFocus()
    rest(curating)
    return curating


def rest(window):
    settle(
        lambda: (
            window.is_settled
            and window.context_bar.source.is_settled
            and window.panels.curate.search.is_settled
            and window.timeline.track.triage.is_settled
        )
    )


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.views, key, modifier)


def states(window, frame=0):
    return window.session.project.reviews(frame).of(window.session.observations.persons)


def choose(window, row):
    """Choose by keys in the open list, as from the mouse's popup."""
    chooser = window.context_bar.source
    chooser.showPopup()
    rest(window)
    for _ in range(abs(row - chooser.currentIndex())):
        way = Qt.Key.Key_Down if row > chooser.currentIndex() else Qt.Key.Key_Up
        QTest.keyClick(chooser.view(), way)
    QTest.keyClick(chooser.view(), Qt.Key.Key_Return)
    rest(window)


def test_that_return_accepts_and_backspace_rejects_the_joint(window):
    press(window, Qt.Key.Key_Return)
    assert states(window)[2, 5] == ReviewState.ACCEPTED
    assert window.session.reviews[2, 5] == ReviewState.ACCEPTED
    press(window, Qt.Key.Key_S)
    press(window, Qt.Key.Key_Backspace)
    assert states(window)[2, 6] == ReviewState.REJECTED
    assert window.session.project.undo_description.endswith("right wrist of #2")
    press(window, Qt.Key.Key_Z, CONTROL)
    assert states(window)[2, 6] == ReviewState.UNREVIEWED
    press(window, Qt.Key.Key_Backspace, CONTROL)
    assert states(window)[2, 5] == ReviewState.ACCEPTED  # another joint was selected


def test_that_k_locks_and_unlocks(window):
    press(window, Qt.Key.Key_K)
    assert states(window)[2, 5] == ReviewState.LOCKED
    press(window, Qt.Key.Key_Backspace)
    assert states(window)[2, 5] == ReviewState.LOCKED
    press(window, Qt.Key.Key_K)
    assert states(window)[2, 5] == ReviewState.ACCEPTED


def test_that_accepting_all_leaves_decisions_alone_and_goes_on(window):
    press(window, Qt.Key.Key_Backspace)
    press(window, Qt.Key.Key_Return, CONTROL)
    assert window.session.cursor.frame == 1
    window.session.set_frame(0)
    diagnosis, state = window.session.diagnosis, states(window)
    kept = diagnosis.triangulation.kept & diagnosis.observed.any(axis=1)
    assert kept.sum() > 50
    assert state[2, 5] == ReviewState.REJECTED
    kept[2, 5] = False
    assert (state[kept] == ReviewState.ACCEPTED).all()
    assert not (state[~kept] == ReviewState.ACCEPTED).any()


def test_that_return_in_the_frame_field_enters_a_number_and_accepts_nothing(window):
    field = window.context_bar.frame
    QTest.mouseClick(field.lineEdit(), Qt.MouseButton.LeftButton)
    field.lineEdit().selectAll()
    QTest.keyClicks(field, "4")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert window.session.frame_number == 4
    assert not window.session.project.undo_description


def test_that_a_query_is_counted_and_accepted_in_one_step_that_undo_takes_back(window, qtbot):
    panel = window.panels.curate
    QTest.mouseClick(panel.field, Qt.MouseButton.LeftButton)
    QTest.keyClicks(panel.field, "kept residual<3 person=1,2 frame=2..6")
    rest(window)
    number = len(panel.search.selection)
    assert panel.count.text().startswith(f"{number:,} joints of 2 persons in 5 frames")
    with qtbot.waitSignal(window.session.edited, timeout=20_000) as told:
        QTest.mouseClick(panel.judge_found["accept"], Qt.MouseButton.LeftButton)
    assert len(told.args[0].reviews) == number
    rest(window)
    assert len(window.session.project.accepted_between(0, 12).keys) == number
    window.session.set_frame(9)
    window.session.undo()
    assert window.session.cursor.frame == 0
    assert not len(window.session.project.accepted_between(0, 12).keys)


def test_that_return_in_the_query_goes_to_what_was_found(window):
    panel = window.panels.curate
    QTest.mouseClick(panel.field, Qt.MouseButton.LeftButton)
    QTest.keyClicks(panel.field, "camera=ace_2 residual>30 frame=4..5")
    rest(window)
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    cursor = window.session.cursor
    assert (cursor.frame, cursor.person, cursor.joint, cursor.camera) == (3, 3, 5, 2)
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    assert window.session.cursor.frame == 4
    assert not window.session.project.undo_description


def test_that_a_wrong_query_says_what_would_be_right(window):
    panel = window.panels.curate
    QTest.mouseClick(panel.field, Qt.MouseButton.LeftButton)
    QTest.keyClicks(panel.field, "jont=nose")
    rest(window)
    assert "Did you mean joint=…?" in panel.count.text()
    assert not panel.judge_found["accept"].isEnabled()


def test_that_a_run_is_chosen_shown_and_judged_with_its_provenance(window):
    session = window.session
    detected = session.observations.points_px.copy()
    choose(window, 1)
    assert session.source.name.endswith("try")
    assert not np.array_equal(session.observations.points_px[1], detected[1], equal_nan=True)
    assert np.isfinite(session.summary.worst_residual_px[[0, 1, 3, 4]]).any()
    session.set_frame(2)
    assert not session.observations.source.any()
    press(window, Qt.Key.Key_Return)
    assert not session.project.undo_description
    choose(window, 0)
    assert session.source.name == "detections"
    assert session.observations.source.any()


def test_that_the_summary_follows_an_edit_by_its_frame(window):
    from core.diagnosis import summarise
    from core.project import JointKey, SetJoints

    session = window.session
    x, y = session.diagnosis.reprojection_px[2, 4, 5]
    session.apply(SetJoints(keys=(JointKey(0, 4, 2, 5),), points_px=((x + 90.0, y),)))
    rest(window)
    column = session.summary.persons.index(2)
    assert session.summary.annotated[0, column]
    again = summarise(session.source, session.summary.settings)
    np.testing.assert_array_equal(session.summary.worst_residual_px, again.worst_residual_px)
    np.testing.assert_array_equal(session.summary.wss_counts, again.wss_counts)


def test_that_the_timeline_tells_what_is_left_to_judge(window):
    track, session = window.timeline.track, window.session
    column = session.summary.persons.index(2)
    assert track.triage.share_left(session.summary)[0, column] == 1.0
    press(window, Qt.Key.Key_Return, SHIFT)
    rest(window)
    left = track.triage.share_left(session.summary)
    assert left[0, column] < 0.2
    assert left[0, session.summary.persons.index(3)] == 1.0
    place = QPoint(round(track.x_of(0)), round(track.row_top(column) + 3))
    assert "joints judged" in track.tip(2, track.frame_at(place.x()))
    assert "nothing judged yet" in track.tip(3, 0)


def test_that_a_label_after_accepting_is_told_to_contradict_it(window):
    session, curate = window.session, window.panels.curate
    press(window, Qt.Key.Key_Return)
    rest(window)
    card = window.panels.inspector.joint_page.card
    assert "contradict" not in facts_of(curate)
    key = JointKey(0, 0, 2, 5)
    session.apply(SetJoints(keys=(key,), points_px=((30.0, 40.0),)))
    rest(window)
    assert "accepted, but a label contradicts it" in facts_of(curate)
    assert "1 contradicted by a label" in facts_of(curate)
    window.docks.show(window.panels.inspector)
    rest(window)
    assert "counts no more" in card.review.text()
    window.docks.show(curate)


def facts_of(curate):
    return " ".join(label.text() for label in curate.findChildren(QLabel))
