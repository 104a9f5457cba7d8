import threading
from dataclasses import asdict

import numpy as np
import pytest
import shiboken6

from app.session import Session
from app.state import HoverTarget
from core.errors import CommandRefusedError, DataError
from core.project import JointKey, SetJoints


def test_opening_selects_somebody_and_diagnoses_the_first_frame(session):
    assert session.cursor.frame == 0
    assert session.cursor.person in session.observations.persons
    assert session.diagnosis.frame == 0
    assert session.frame_number == 1


def test_a_step_carries_observations_and_diagnosis_along(session, qtbot):
    with qtbot.waitSignals([session.cursor_changed, session.diagnosis_changed]):
        session.step(3)
    assert session.observations.frame == session.diagnosis.frame == session.cursor.frame == 3


def test_steps_end_at_the_ends_of_the_recording(session):
    session.step(-5)
    assert session.cursor.frame == 0
    session.set_frame_number(10_000)
    assert session.cursor.frame == session.project.num_frames - 1


def test_selecting_what_is_selected_says_nothing(session, qtbot):
    session.select(joint=3)
    with qtbot.assertNotEmitted(session.cursor_changed):
        session.select(joint=3)


def test_joints_and_persons_go_round(session):
    num_joints = session.project.skeleton.num_joints
    session.select(joint=0)
    session.step_joint(-1)
    assert session.cursor.joint == num_joints - 1
    first = session.cursor.person
    for _ in session.observations.persons:
        session.step_person(1)
    assert session.cursor.person == first


def test_the_person_row_is_none_for_somebody_who_is_not_there(session):
    session.select(person=999)
    assert session.person_row is None


def test_settings_change_the_diagnosis_and_are_remembered_by_the_project(session, court_project):
    before = session.diagnosis
    session.set_settings(weighting="none")
    assert session.diagnosis is not before
    assert session.diagnosis.settings.weighting == "none"
    session.close_project()
    session.open_project(court_project)
    assert session.settings.weighting == "none"
    session.set_settings(weighting="consensus")


def test_a_project_that_cannot_be_read_leaves_the_open_one_in_place(session, tmp_path):
    project = session.project
    with pytest.raises(DataError, match=r"absent\.trilabel"):
        session.open_project(tmp_path / "absent.trilabel")
    assert session.project is project
    assert session.diagnosis is not None


def test_commands_without_a_project_are_refused(qtbot):
    session = Session()
    with pytest.raises(CommandRefusedError):
        session.step_joint(1)
    with pytest.raises(CommandRefusedError):
        session.step_person(1)
    session.step(1)
    assert session.diagnosis is None


def test_annotated_frames_are_found_on_either_side(session):
    with pytest.raises(CommandRefusedError, match="after"):
        session.step_labelled(1)
    key = JointKey(frame=7, camera=0, person=session.cursor.person, joint=0)
    session.project.apply(SetJoints(keys=(key,), points_px=np.array([[50.0, 60.0]])))
    try:
        session.step_labelled(1)
        assert session.cursor.frame == 7
        with pytest.raises(CommandRefusedError, match="after"):
            session.step_labelled(1)
        session.step(2)
        session.step_labelled(-1)
        assert session.cursor.frame == 7
    finally:
        session.project.undo()


def test_hovering_is_said_once(session, qtbot):
    target = HoverTarget(person=1, joint=2, camera=3)
    with qtbot.waitSignal(session.hover_changed):
        session.hover(target)
    with qtbot.assertNotEmitted(session.hover_changed):
        session.hover(target)


def test_a_read_only_session_changes_nothing_on_disk(qtbot, court_project):
    session = Session(read_only=True)
    session.open_project(court_project)
    before = (court_project / "project.toml").read_bytes()
    session.set_settings(min_views=5)
    assert (court_project / "project.toml").read_bytes() == before
    assert asdict(session.settings)["min_views"] == 5
    session.close_project()


def test_signals_keep_no_reference(session):
    """PySide6 6.12.0 loses one at each emit on Python before 3.12 and aborts after 400."""
    import sys

    count = sys.getrefcount(session.cursor)
    for _ in range(2000):
        session.cursor_changed.emit(session.cursor, session.cursor)
    assert abs(sys.getrefcount(session.cursor) - count) < 10


def test_a_session_that_goes_before_the_engine_is_in_is_missed_by_nobody(qapp, monkeypatch):
    gone, broken = threading.Event(), []
    monkeypatch.setattr("core.diagnosis.warm_up", lambda: gone.wait(10))
    monkeypatch.setattr(threading, "excepthook", broken.append)
    session = Session()
    session.warm_up()
    shiboken6.delete(session)
    gone.set()
    for thread in threading.enumerate():
        if thread.name == "warm-up":
            thread.join(10)
    assert broken == []
