from PySide6.QtGui import QKeySequence

from app.keymap import load_keymap


def test_every_key_is_one_that_qt_understands():
    for action in load_keymap():
        for key in action.keys:
            assert QKeySequence(key).toString(), (action.id, key)


def test_no_two_commands_share_a_key():
    keys = [QKeySequence(key).toString() for action in load_keymap() for key in action.keys]
    assert len(keys) == len(set(keys))


def test_each_camera_key_is_a_command_of_its_own():
    camera = next(action for action in load_keymap() if action.id == "camera")
    third = camera.commands[2]
    assert (third.id, third.title, third.keys) == ("camera_3", "Focus camera 3", ("3",))
