"""Muting, rescuing and confirming, by real mouse and key events on a project of its own."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.inspector.heat_map import HeatMap
from app.inspector.joint_page import JointPage
from app.inspector.left_out_list import left_out_views
from app.inspector.trust import confirm, rescue, toggle_muted, unmute
from app.session import Session
from core.errors import CommandRefusedError
from core.project import PointKey
from tests.app.views_world import OUTLIER, make_project, make_world

PERSON, CAMERA, JOINT = OUTLIER


@pytest.fixture
def session(qtbot, tmp_path):
    """A session on a project of its own, at the joint that one view has far off."""
    path = tmp_path / "own.trilabel"
    world = make_world(num_persons=5, num_frames=3)
    make_project(path, world, without=world.rig.names).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    session.select(person=PERSON, joint=JOINT, camera=0)
    yield session
    session.close_project()


@pytest.fixture
def page(qtbot, session):
    page = JointPage(session)
    qtbot.addWidget(page)
    page.resize(560, 640)
    page.show()
    qtbot.waitExposed(page)
    return page


def follow():
    """Let the page follow, as it does once the views have painted."""
    for _ in range(3):
        QApplication.processEvents()


def discarded(session):
    """λ so small that the outlier alone is what discards the joint."""
    session.set_settings(weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=60.0, scale_mm=10.0)
    diagnosis = session.diagnosis
    assert not diagnosis.triangulation.kept[session.person_row, JOINT]
    follow()


def click_bar(page, camera):
    cell = page.strip.cell(camera)
    place = QPoint(round(cell.center().x()), 30)
    QTest.mouseClick(page.strip, Qt.MouseButton.LeftButton, pos=place)
    follow()


def test_a_click_on_a_bar_mutes_the_view_and_another_lets_it_count_again(session, page):
    row = session.person_row
    assert session.diagnosis.observed[row, CAMERA, JOINT]
    click_bar(page, CAMERA)
    assert session.diagnosis.muted[row, CAMERA, JOINT]
    assert session.diagnosis.muted.sum() == 1
    assert "muted, takes no part" in page.strip.tip(CAMERA)
    assert "ace_2 is muted." in page.card.reason.text()
    assert page.card.unmute.isVisible()
    click_bar(page, CAMERA)
    assert not session.diagnosis.muted.any()
    assert not page.card.unmute.isVisible()
    session.undo()
    session.undo()
    assert not session.diagnosis.muted.any()
    history = [step.description for step in session.project.history()]
    assert [name.split()[0] for name in history] == ["Unmute", "Mute"]


def test_a_click_on_a_name_selects_the_camera_and_mutes_nothing(session, page):
    cell = page.strip.cell(4)
    place = QPoint(round(cell.center().x()), 6)
    QTest.mouseClick(page.strip, Qt.MouseButton.LeftButton, pos=place)
    assert session.cursor.camera == 4
    assert not session.diagnosis.muted.any()


def test_what_nobody_sees_cannot_be_muted(session, page, qtbot):
    session.set_frame(1)
    row = session.person_row
    unseen = np.argwhere(~session.diagnosis.observed[row])
    camera, joint = unseen[0].tolist()
    session.select(joint=joint)
    follow()
    with qtbot.waitSignal(session.message_posted) as told:
        click_bar(page, camera)
    assert "does not see it" in told.args[0]
    assert session.project.undo_description is None


def test_a_whole_person_is_muted_in_one_step(session):
    toggle_muted(session, CAMERA, everything=True)
    row = session.person_row
    assert session.diagnosis.muted[row, CAMERA].sum() > 5
    assert not session.diagnosis.observed[row, CAMERA].any()
    toggle_muted(session, CAMERA, everything=True)
    assert not session.diagnosis.muted.any()
    with pytest.raises(CommandRefusedError, match="No view"):
        unmute(session)


def test_the_heat_map_tells_a_muted_view_from_one_that_does_not_see(qtbot, session):
    heat_map = HeatMap(session)
    qtbot.addWidget(heat_map)
    toggle_muted(session, CAMERA)
    assert "\nmuted\n" in heat_map.tip(JOINT, CAMERA)
    unseen = (
        ~session.diagnosis.observed[session.person_row]
        & ~session.diagnosis.muted[session.person_row]
    )
    camera, joint = np.argwhere(unseen)[0].tolist()
    assert heat_map.tip(joint, camera).endswith("not seen")


def test_a_mute_survives_reopening_and_is_no_label(session):
    toggle_muted(session, CAMERA)
    path = session.project.path
    assert session.project.labels.count() == 0
    session.close_project()
    session.open_project(path)
    session.select(person=PERSON, joint=JOINT)
    assert session.diagnosis.muted[session.person_row, CAMERA, JOINT]


def test_rescue_takes_the_point_without_the_view_that_is_to_blame(session, page):
    discarded(session)
    assert page.card.rescue.isVisible()
    assert "ace_2" in page.card.choices.actions()[0].text()
    QTest.mouseClick(page.card.rescue, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    follow()
    (persons, points) = session.project.accepted(0)
    assert persons == (PERSON,)
    truth = make_world(num_persons=5, num_frames=3).truth_mm[0, PERSON, JOINT]
    assert np.linalg.norm(points[0, JOINT] - truth) < 30
    rows = session.project.accepted_between(0, 1)
    assert '"rule":"rescued"' in rows.provenance[0]
    assert page.card.review.text().startswith("Accepted by ")
    assert not page.card.rescue.isVisible()
    assert page.card.take_back.isVisible()
    QTest.mouseClick(page.card.take_back, Qt.MouseButton.LeftButton)
    follow()
    assert session.project.accepted(0)[0] == ()
    assert page.card.rescue.isVisible()


def test_rescue_as_it_is_takes_the_point_that_is_shown(session, page):
    discarded(session)
    shown = session.diagnosis.triangulation.points_mm[session.person_row, JOINT].copy()
    page.card.choices.actions()[-1].trigger()
    np.testing.assert_allclose(session.project.accepted(0)[1][0, JOINT], shown)


def test_confirm_rejects_the_joint_and_can_be_taken_back(session, page):
    discarded(session)
    QTest.mouseClick(page.card.confirm, Qt.MouseButton.LeftButton)
    follow()
    review = session.project.review(PointKey(0, PERSON, JOINT))
    assert review.state == "rejected"
    assert not page.card.confirm.isVisible()
    assert page.card.review.text().startswith("Rejected by ")
    with pytest.raises(CommandRefusedError, match="already"):
        confirm(session)
    session.undo()
    follow()
    assert page.card.confirm.isVisible()


def test_a_kept_joint_offers_neither(session, page):
    session.select(joint=0)
    follow()
    assert session.diagnosis.triangulation.kept[session.person_row, 0]
    assert not page.card.rescue.isVisible()
    assert not page.card.confirm.isVisible()
    for deed in (rescue, confirm):
        with pytest.raises(CommandRefusedError, match="kept"):
            deed(session)


def test_the_worst_view_stands_first_among_those_left_out(session, page):
    rows = page.left_out.rows
    assert rows[0].camera == CAMERA
    assert rows[0].residual_px > 50
    assert [each.residual_px for each in rows] == sorted(
        (each.residual_px for each in rows), reverse=True
    )
    place = page.left_out.row_rect(0).center().toPoint()
    QTest.mouseClick(page.left_out, Qt.MouseButton.LeftButton, pos=place)
    assert session.cursor.camera == CAMERA
    QApplication.processEvents()  # the layout has come to rest
    QTest.mouseMove(page.left_out, page.left_out.row_rect(1).center().toPoint())
    assert session.hover_target.camera == rows[1].camera
    toggle_muted(session, CAMERA)
    muted = left_out_views(session.diagnosis, session.person_row, JOINT)[0]
    assert (muted.camera, muted.is_muted) == (CAMERA, True)
