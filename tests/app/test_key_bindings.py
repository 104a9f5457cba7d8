"""Keys that people choose, and commands found by a few letters."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.commands import first_key
from app.fuzzy import match_score
from app.key_bindings import KeyBindings, portable
from app.key_dialog import KeyDialog
from app.key_sheet import KeySheet
from app.keymap import load_commands
from app.palette import Palette
from app.preferences import Preferences
from app.shot import settle
from core.errors import CommandRefusedError


@pytest.fixture
def preferences(tmp_path):
    return Preferences(tmp_path / "preferences.ini")


@pytest.fixture
def keys(qapp, preferences):
    return KeyBindings(preferences)


@pytest.fixture
def keyed_window(window):
    window.activateWindow()
    settle(window.isActiveWindow)
    yield window
    window.keys.reset()


def press(window, key):
    combination = first_key(key)
    QTest.keyClick(window.views, combination.key(), combination.keyboardModifiers())
    QApplication.processEvents()


def test_keys_are_those_of_the_table_until_somebody_chooses(keys):
    for name, command in load_commands().items():
        assert keys.keys(name) == tuple(map(portable, command.keys))


def test_a_chosen_key_is_remembered(keys, preferences):
    keys.assign("play", ["Ctrl+F12", "F12"])
    again = KeyBindings(preferences)
    assert again.keys("play") == ("Ctrl+F12", "F12")
    assert again.is_changed("play")
    assert again.owner("F12") == "play"
    assert again.owner("P") is None


def test_a_key_of_another_command_is_refused_by_name_and_nothing_changes(keys):
    with pytest.raises(CommandRefusedError, match="Frame forward"):
        keys.assign("play", ["F12", "D"])
    assert keys.keys("play") == ("P",)


def test_a_held_key_must_be_a_single_one(keys):
    with pytest.raises(CommandRefusedError, match="single key"):
        keys.assign("loupe", ["Ctrl+F12"])
    keys.assign("loupe", ["F12"])


def test_a_reset_is_refused_while_another_command_has_the_key(keys):
    keys.assign("play", ["F12"])
    keys.assign("grid", ["P"])
    with pytest.raises(CommandRefusedError, match="All cameras"):
        keys.reset("play")
    keys.reset()
    assert keys.keys("play") == ("P",)
    assert keys.keys("grid") == ("0",)


def test_what_is_stored_and_broken_counts_as_nothing(preferences, qapp):
    preferences.set_keys({"no_such_command": ["F12"], "play": ["not a key at all"]})
    assert KeyBindings(preferences).keys("play") == ("P",)


commands = st.sampled_from(sorted(load_commands()))
some_keys = st.lists(st.sampled_from(["D", "P", "F12", "Ctrl+K", "1", "Shift+F11"]), max_size=3)


@settings(deadline=None, max_examples=30)
@given(acts=st.lists(st.tuples(commands, some_keys), max_size=12))
def test_no_key_ever_belongs_to_two_commands(qapp, tmp_path_factory, acts):
    preferences = Preferences(tmp_path_factory.mktemp("keys") / "preferences.ini")
    keys = KeyBindings(preferences)
    for command, wanted in acts:
        try:
            keys.assign(command, wanted)
        except CommandRefusedError:
            continue
        assert set(keys.keys(command)) == set(map(portable, wanted))
    again = KeyBindings(preferences)
    used = [key for name in load_commands() for key in again.keys(name)]
    assert len(used) == len(set(used))
    assert [keys.keys(name) for name in load_commands()] == [
        again.keys(name) for name in load_commands()
    ]


def test_a_rebound_key_acts_at_once_and_the_old_one_no_more(keyed_window):
    window = keyed_window
    window.keys.assign("next_frame", ["F12"])
    press(window, "D")
    assert window.session.cursor.frame == 0
    press(window, "F12")
    assert window.session.cursor.frame == 1
    window.keys.assign("hide_overlays", ["F11"])
    QTest.keyPress(window.views, Qt.Key.Key_F11)
    assert window.views.are_people_hidden
    QTest.keyRelease(window.views, Qt.Key.Key_F11)
    assert not window.views.are_people_hidden


def test_the_dialog_takes_a_key_refuses_a_taken_one_and_the_sheet_follows(keyed_window):
    window = keyed_window
    window.commands.actions["change_keys"].trigger()
    dialog = window.findChildren(KeyDialog)[-1]
    dialog.choose("play")
    dialog.field.setKeySequence(QKeySequence("D"))
    assert "Frame forward" in dialog.note.text()
    assert not dialog.set_button.isEnabled()
    dialog.field.setKeySequence(QKeySequence("F12"))
    QTest.mouseClick(dialog.set_button, Qt.MouseButton.LeftButton)
    assert window.keys.keys("play") == ("F12",)
    dialog.field.setKeySequence(QKeySequence("F11"))
    QTest.mouseClick(dialog.add_button, Qt.MouseButton.LeftButton)
    assert window.keys.keys("play") == ("F12", "F11")
    dialog.close()
    window.commands.actions["keys"].trigger()
    sheet = window.findChildren(KeySheet)[-1]
    assert {"F12", "F11"} <= sheet.texts
    sheet.close()
    dialog = KeyDialog(window.keys, window)
    dialog.choose("play")
    QTest.mouseClick(dialog.reset_button, Qt.MouseButton.LeftButton)
    assert window.keys.keys("play") == ("P",)
    QTest.mouseClick(dialog.clear_button, Qt.MouseButton.LeftButton)
    assert window.keys.keys("play") == ()
    dialog.deleteLater()


def test_the_dialog_finds_a_command_by_its_key(keyed_window):
    dialog = KeyDialog(keyed_window.keys, keyed_window)
    QTest.keyClicks(dialog.search, "ctrl+g")
    shown = [item.text(0) for name in load_commands() if not (item := dialog.item(name)).isHidden()]
    assert shown == ["Go to frame…"]
    dialog.deleteLater()


def open_palette(window):
    press(window, "Ctrl+K")
    return window.findChildren(Palette)[-1]


def test_the_palette_does_what_was_found(keyed_window):
    palette = open_palette(keyed_window)
    QTest.keyClicks(palette.search, "fr forw")
    assert palette.list.item(0).text() == "Frame forward"
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert keyed_window.session.cursor.frame == 1
    assert QApplication.activePopupWidget() is None
    assert open_palette(keyed_window).list.item(0).text() == "Frame forward"  # used last
    keyed_window.findChildren(Palette)[-1].close()


def test_the_palette_lists_every_command_and_says_why_not(keyed_window):
    palette = open_palette(keyed_window)
    assert palette.list.count() == len(load_commands())
    reasons = {name: keyed_window.commands.reason_against(name) for name in load_commands()}
    assert "two views" in reasons["accept_ghost"]
    assert reasons["loupe"] == "Hold its key."
    assert not reasons["next_frame"]
    palette.close()


def test_arrows_choose_in_the_palette(keyed_window):
    palette = open_palette(keyed_window)
    QTest.keyClick(palette.search, Qt.Key.Key_Down)
    QTest.keyClick(palette.search, Qt.Key.Key_Down)
    QTest.keyClick(palette.search, Qt.Key.Key_Up)
    assert palette.list.currentRow() == 1
    palette.close()


words = st.text(string.ascii_lowercase + " ", min_size=1, max_size=20)


@settings(deadline=None, max_examples=100)
@given(text=words, places=st.sets(st.integers(0, 19)))
def test_any_letters_of_a_text_in_their_order_find_it(text, places):
    query = "".join(text[place] for place in sorted(places) if place < len(text))
    assert match_score(query.replace(" ", ""), text) is not None


def test_word_starts_and_runs_count_more_than_scattered_letters():
    assert match_score("gho", "Accept ghosts") > match_score("gho", "Swap right over")
    assert match_score("ff", "Frame forward") > match_score("ff", "Stuff of it")
    assert match_score("zz", "Frame forward") is None
