"""Tests of the keys of editing in the views, in a whole window: placing, Esc, the joint's menu."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.views.hit_test import nearest_joint
from app.views.joint_menu import make_joint_menu


def test_that_n_begins_to_place_and_escape_leaves(window):
    views = window.views
    QTest.keyClick(views, Qt.Key.Key_N)
    assert views.editing.is_placing
    assert views.cursor().shape() == Qt.CursorShape.CrossCursor
    QTest.keyClick(views, Qt.Key.Key_Escape)
    assert not views.editing.is_placing
    assert not window.commands.actions["cancel"].isEnabled()


def test_that_the_menu_of_a_joint_names_it_and_does_what_its_commands_do(window):
    session, views = window.session, window.views
    camera, person, joint = 0, session.cursor.person, 4
    session.select(person=person, joint=joint, camera=camera)
    panel = views.panel_of(camera)
    place = panel.place_of(person, joint)
    target = nearest_joint(
        panel.scene, panel.transform, place.x(), place.y(), selected_person=person
    )
    menu = make_joint_menu(views, session, window.commands, target)
    lines = {action.objectName(): action for action in menu.actions()}
    name = session.project.skeleton.joints[target.joint].replace("_", " ")
    assert menu.actions()[0].text() == f"{name} of #{target.person} in ace_0"
    assert lines["mark_occluded"].isEnabled()
    assert not lines["accept_ghost"].isEnabled()
    assert "two views" in lines["accept_ghost"].toolTip()
    menu.deleteLater()
