"""Audit, precision and identities in the inspector: real labels, real jobs, real clicks."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.inspector.audit_page import AuditPage
from app.inspector.identity_dialog import IdentityDialog
from app.inspector.identity_page import IdentityPage
from app.inspector.precision import PrecisionPanel
from app.session import Session
from core.errors import CommandRefusedError
from core.project import JointKey, PointKey, SetJoints, SetReviews, SwapIdentities
from tests.app.views_world import make_project, make_world

FRAMES = 8
WORLD = make_world(num_persons=5, num_frames=FRAMES)
LABELLED = (1, 4, 6)


def label(session, cameras=range(8), frames=LABELLED, off=None):
    """What is true, put by hand; `off` = pixels by camera that a knock has moved its picture by."""
    size = np.array([camera.size_px for camera in WORLD.rig])
    keys, points = [], []
    for frame in frames:
        exact = WORLD.rig.project(WORLD.truth_mm[frame])
        for person, camera, joint in np.ndindex(exact.shape[:-1]):
            x, y = exact[person, camera, joint] + (off or {}).get(camera, (0.0, 0.0))
            inside = 0 <= x < size[camera, 0] and 0 <= y < size[camera, 1]
            if camera in cameras and inside:
                keys.append(JointKey(frame, camera, WORLD.persons[person], joint))
                points.append((float(x), float(y)))
    session.apply(SetJoints(keys=tuple(keys), points_px=tuple(points), name="Label"))


@pytest.fixture
def session(qtbot, tmp_path):
    path = tmp_path / "own.trilabel"
    make_project(path, WORLD, without=WORLD.rig.names).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    session.set_settings(scale_mm=15.0)
    yield session
    session.close_project()


def shown(qtbot, widget):
    host = QWidget()
    QVBoxLayout(host).addWidget(widget)
    host.resize(560, 700)
    qtbot.addWidget(host)
    host.show()
    qtbot.waitExposed(host)
    widget.host = host  # keeps it alive
    return widget


def done(qtbot, work):
    qtbot.waitUntil(lambda: not work.is_busy, timeout=30_000)


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_an_audit_without_labels_says_what_to_do(qtbot, session):
    page = shown(qtbot, AuditPage(session))
    press(page.work.button)
    done(qtbot, page.work)
    assert "No frame of this project is labelled" in page.words.text()
    assert not page.table.isVisible()


def test_an_audit_names_the_camera_that_was_knocked(qtbot, session):
    label(session, off={3: (25.0, -14.0)})
    page = shown(qtbot, AuditPage(session))
    press(page.work.button)
    done(qtbot, page.work)
    assert "ace_3 has drifted" in page.verdicts.text()
    assert "25 px to the right and 14 px up" in page.verdicts.text()
    assert "ace_3" not in page.good.text()
    place = page.table.cell(3, 6).center().toPoint()
    QTest.mouseClick(page.table, Qt.MouseButton.LeftButton, pos=place)
    assert (session.cursor.camera, session.cursor.joint) == (3, 6)
    assert "right wrist in ace_3: mean weight" in page.table.tip(3, 6)
    session.set_settings(min_views=4)
    assert "have changed" in page.work.button.text()


def test_precision_follows_the_threshold_and_the_tolerance_at_once(qtbot, session):
    label(session)
    panel = shown(qtbot, PrecisionPanel(session))
    qtbot.waitUntil(lambda: panel.samples is not None, timeout=30_000)
    session.set_settings(weighting="pairwise", sigma_mm=30.0, wss_threshold_mm=200.0)
    qtbot.waitUntil(
        lambda: panel.is_settled and panel.samples.fit(session.settings), timeout=30_000
    )
    samples = panel.samples
    loose = samples.score(session.settings)
    assert f"keeps {loose.num_kept:,}." in panel.words.text()
    session.set_settings(wss_threshold_mm=15.0)
    strict = samples.score(session.settings)
    assert strict.num_kept < loose.num_kept
    assert f"keeps {strict.num_kept:,}." in panel.words.text()
    assert panel.samples is samples
    assert panel.plot.line.value() == pytest.approx(np.log10(15.0))
    panel.tolerance.slider.setValue(panel.tolerance.slider.minimum())
    assert "within 5" in panel.words.text()


def test_without_labels_precision_says_what_would_fill_it(qtbot, session):
    panel = shown(qtbot, PrecisionPanel(session))
    qtbot.waitUntil(lambda: "No labelled frame" in panel.words.text(), timeout=30_000)
    assert not panel.plot.isVisible()


def test_a_swapped_span_is_found_swapped_back_and_taken_back(qtbot, session):
    session.apply(SwapIdentities(camera=2, start=2, stop=7, person=0, other=3))
    page = shown(qtbot, IdentityPage(session))
    press(page.work.button)
    done(qtbot, page.work)
    assert page.found.count() == 1
    assert "#0 and #3 swap in ace_2 from 3 to 7" in page.found.item(0).text()
    page.found.setCurrentRow(0)
    press(page.swap)
    dialog = page.host.findChild(IdentityDialog)
    assert (session.cursor.frame, session.cursor.camera) == (2, 2)
    assert dialog.span.isChecked()
    assert "5 frames change. Nothing that people decided" in dialog.preview.text()
    press(dialog.swap)
    assert len(session.project.swaps()) == 2
    observed = session.project.observations(4).points_px[:, 2]
    np.testing.assert_allclose(observed, WORLD.points_px[4, :, 2], atol=1e-3, equal_nan=True)
    assert page.found.count() == 0
    assert page.made.count() == 2
    page.made.setCurrentRow(1)
    press(page.remove)
    assert len(session.project.swaps()) == 1
    session.undo()
    assert page.made.count() == 2


def test_the_dialog_finds_the_span_of_the_selected_person_by_itself(qtbot, session):
    session.apply(SwapIdentities(camera=2, start=2, stop=7, person=0, other=3))
    session.set_frame(4)
    session.select(person=3, camera=5)
    dialog = IdentityDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    done(qtbot, dialog.work)
    edit = dialog.edit
    assert (edit.camera, edit.person, edit.other) == (2, 3, 0)
    assert (edit.start, edit.stop) == (2, 7)
    for scope, span in (
        (dialog.this, (4, 5)),
        (dialog.forward, (4, FRAMES)),
        (dialog.backward, (0, 5)),
        (dialog.span, (2, 7)),
    ):
        QTest.mouseClick(scope, Qt.MouseButton.LeftButton, pos=scope.rect().center() / 4)
        scope.click()
        assert (dialog.edit.start, dialog.edit.stop) == span
    dialog.reject()


def test_the_preview_lists_labels_and_locks_that_are_in_the_way(qtbot, session):
    label(session, frames=(4,))
    keys = (PointKey(4, 0, 2), PointKey(4, 0, 3))
    session.apply(SetReviews(keys=keys, state="locked"))
    session.set_frame(3)
    session.select(person=0, camera=1)
    dialog = IdentityDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    done(qtbot, dialog.work)
    assert "ask for no swap of #0" in dialog.found.text()
    assert not dialog.span.isVisible()
    assert "Nothing that people decided" in dialog.preview.text()
    dialog.forward.click()
    assert "frame 5: 2 joints of #0 locked" in dialog.preview.text()
    assert "labelled by hand in this view" in dialog.preview.text()
    assert dialog.move_labels.isVisible()
    dialog.move_labels.click()
    press(dialog.swap)
    # Labels of locked joints cannot move: told in the dialog, which stays open.
    assert "locked" in dialog.preview.text()
    assert session.project.swaps() == ()
    dialog.move_labels.click()
    press(dialog.swap)
    (made,) = session.project.swaps()
    assert (made.start, made.stop) == (3, FRAMES)


def test_nobody_is_swapped_with_himself(qtbot, session):
    session.select(person=0)
    dialog = IdentityDialog(session)
    qtbot.addWidget(dialog)
    done(qtbot, dialog.work)
    dialog.other.setCurrentIndex(dialog.person.currentIndex())
    dialog.other.activated.emit(dialog.other.currentIndex())
    assert dialog.edit is None
    assert not dialog.swap.isEnabled()
    dialog.reject()


def test_without_a_selected_person_there_is_nobody_to_swap(qtbot, session):
    session._cursor = replace(session.cursor, person=None)  # noqa: SLF001 - as in an empty recording
    with pytest.raises(CommandRefusedError, match="Select a person"):
        IdentityDialog(session)


def test_a_page_s_work_can_be_stopped(qtbot, session):
    page = shown(qtbot, IdentityPage(session))
    page.scan()
    assert page.work.stop.isVisible()
    press(page.work.stop)
    assert not page.work.is_busy
    assert page.work.button.isVisible()
    qtbot.wait(300)
    assert page.found.count() == 0
    assert isinstance(page.words, QLabel)
