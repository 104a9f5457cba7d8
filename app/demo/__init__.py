"""The demo: a generated match, and a walk through the window with real mouse and key events.

match.py    the match, made once
hands.py    keys, mouse and pictures, as a person in front of the window has them
tour.py     what the window shows
loop.py     fix, Retrain, watch it improve, accept
walk.py     tour and loop, one after the other
"""

from app.demo.match import demo_directory, prepare_demo
from app.demo.walk import walk_demo

__all__ = ["demo_directory", "prepare_demo", "walk_demo"]
