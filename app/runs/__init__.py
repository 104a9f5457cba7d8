"""Trainings in the window: who follows them, and the panel that shows them.

following_all   all runs of a project, polled on one thread; no Qt
watch           the same for the window, as signals
manager         the dialog "Runs…": manager_table, manager_actions, manager_work, compare_view
"""

from app.runs.watch import RunEntry, RunWatch

__all__ = ["RunEntry", "RunWatch"]
