"""Trainings in the window: who follows them, and the panel that shows them.

following_all   all runs of a project, polled on one thread; no Qt
watch           the same for the window, as signals
"""

from app.runs.watch import RunEntry, RunWatch

__all__ = ["RunEntry", "RunWatch"]
