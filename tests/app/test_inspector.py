"""The inspector, by real mouse and key events on a real project."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.format import counted, percent
from app.inspector.bar_list import BarList
from app.inspector.empty import why_empty
from app.inspector.gauge import place_on_scale
from app.session import Session
from app.shot import settle


def show(window, page) -> None:
    window.inspector.setCurrentWidget(page)
    for _ in range(3):  # pages follow once the views have painted
        QApplication.processEvents()


def test_the_gauge_holds_the_wss_against_lambda(window):
    session = window.session
    session.set_settings(weighting="pairwise", wss_threshold_mm=50.0, sigma_mm=10.0)
    session.select(person=3, joint=5)  # one of its views is far off in this world
    show(window, window.inspector.joint_page)
    standing = window.inspector.joint_page.gauge.standing
    row = session.person_row
    assert standing.wss_mm == session.diagnosis.triangulation.wss_mm[row, 5]
    assert standing.threshold_mm == 50
    assert standing.rule == "wss"
    assert standing.num_seen == session.diagnosis.observed[row, :, 5].sum()


@pytest.mark.parametrize(
    ("wss_mm", "place"),
    [(0, 0), (float("nan"), 0), (40, 0.5), (40 * 30, 1), (40 / 30, 0), (1e9, 1)],
)
def test_the_threshold_is_the_middle_of_the_gauge(wss_mm, place):
    assert place_on_scale(wss_mm, 40) == pytest.approx(place)


def test_the_strip_says_in_words_what_a_view_does(window):
    session = window.session
    session.select(person=3, joint=5)
    show(window, window.inspector.joint_page)
    strip = window.inspector.joint_page.strip
    tip = strip.tip(2)
    assert "the other views contradict it" in tip
    assert "without it" in tip
    assert "leave-one-out residual" in tip
    unseen = np.flatnonzero(~session.diagnosis.observed[session.person_row, :, 5])
    for camera in unseen:
        assert "does not see" in strip.tip(int(camera))


def test_the_page_of_a_hidden_tab_is_made_when_it_is_shown(window):
    show(window, window.inspector.heat_map)
    window.session.select(person=4, joint=6)
    show(window, window.inspector.joint_page)
    assert "right wrist" in window.inspector.joint_page.title.text()
    assert "#4" in window.inspector.joint_page.title.text()


def test_an_absent_person_is_said_with_what_to_do(window):
    window.session.select(person=999)
    page = window.inspector.joint_page
    show(window, page)
    assert "#999 is not in this frame" in page.card.reason.text()
    assert not page.strip.isVisible()
    assert "Tab" in why_empty(window.session)


def test_without_a_project_the_inspector_says_so(qtbot):
    assert "Open a project" in why_empty(Session())


def test_many_joints_scroll_and_the_selected_one_stays_in_sight(window):
    heat_map = window.inspector.heat_map
    show(window, heat_map)
    dock = heat_map.parentWidget()
    height = window.height()
    window.resize(window.width(), 640)
    window.lay_out_docks()
    QApplication.processEvents()
    try:
        heat_map.resize(heat_map.width(), 150)  # room for fewer than the skeleton's joints
        num_joints = window.session.project.skeleton.num_joints
        for joint in (num_joints - 1, 0, 7):
            window.session.select(joint=joint)
            cell = heat_map.cell(joint, 0)
            assert cell.height() >= 14
            assert cell.top() >= 21
            assert cell.bottom() <= 150 - 19
            QTest.mouseClick(
                heat_map, Qt.MouseButton.LeftButton, pos=heat_map.cell(joint, 3).center().toPoint()
            )
            assert window.session.cursor.camera == 3
            assert window.session.cursor.joint == joint
    finally:
        window.resize(window.width(), height)
        window.lay_out_docks()
        assert dock is not None


def test_a_drag_of_lambda_moves_the_threshold(window, qtbot):
    session, page = window.session, window.inspector.threshold_page
    session.set_settings(weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=30.0)
    show(window, page)
    settle(lambda: window.is_settled)
    plot = page.plot
    assert plot.line.isVisible()
    page.ensureWidgetVisible(plot)
    plot.scene().minDragTime = 0
    plot.scene()._mouseRateLimit = -1  # noqa: SLF001 - pyqtgraph drops synthetic drags otherwise
    box = plot.getViewBox()

    def place(value_mm: float) -> QPoint:
        scene = box.mapViewToScene(QPointF(np.log10(value_mm), 1.0))
        return plot.mapFromScene(scene)

    start, end = place(30.0), place(200.0)
    viewport = plot.viewport()
    QTest.mouseMove(viewport, start)
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(viewport, start + (end - start) * share)
        QTest.qWait(30)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=end)
    assert session.settings.wss_threshold_mm == pytest.approx(200, rel=0.15)
    page.reset.click()
    assert session.settings.wss_threshold_mm == "auto"
    assert session.settings.sigma_mm == "auto"
    assert session.settings.weighting == "pairwise"
    assert not page.reset.isEnabled()


def test_lambda_is_hidden_where_no_rule_reads_it(window):
    page = window.inspector.threshold_page
    window.session.set_settings(weighting="consensus", discard=None)
    assert not page.plot.line.isVisible()
    assert "too few views" in page.rule.currentText()
    window.session.set_settings(discard="wss")
    assert page.plot.line.isVisible()
    assert page.threshold.isEnabled()


def test_the_worst_comes_first_and_a_click_selects_it(session, qtbot):
    bars = BarList(session, "Kept")
    qtbot.addWidget(bars)
    bars.show_shares(["a", "b", "c", "d"], [0.9, float("nan"), 0.2, 0.2])
    assert bars.names == ["c", "d", "a", "b"]
    bars.resize(bars.sizeHint())
    with qtbot.waitSignal(bars.chosen) as told:
        place = bars.row_rect(2).center().toPoint()
        QTest.mouseClick(bars, Qt.MouseButton.LeftButton, pos=place)
    assert told.args == [0]


def test_a_number_field_gives_the_keys_back(window):
    field = window.context_bar.frame
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "5")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not field.hasFocus()
    assert window.session.cursor.frame == 4
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "9")
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert not field.hasFocus()
    assert window.session.cursor.frame == 4
    assert field.text() == "5"


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.5, 0, "50 %"), (0.9999, 0, "99 %"), (1, 0, "100 %"), (0.9461, 1, "94.6 %")],
)
def test_shares_never_round_up_to_all(share, digits, text):
    assert percent(share, digits) == text
    assert percent(float("nan")) == "–"


def test_one_frame_is_no_plural():
    assert (counted(1, "frame"), counted(67_000, "frame")) == ("1 frame", "67,000 frames")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_paint_every_page(window, theme):
    window.session.set_display(theme=theme)
    try:
        for index in range(window.inspector.count()):
            window.inspector.setCurrentIndex(index)
            QApplication.processEvents()
            image = window.inspector.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
            shades = np.unique(np.frombuffer(image.constBits(), np.uint32))
            assert len(shades) > 20
    finally:
        window.session.set_display(theme="dark")
