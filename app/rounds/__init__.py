"""The Changes panel: what a round changed, judged joint by joint or all at once, or rolled back.

comparing.py  which two sources are compared, and the difference, computed in the background
listing.py    the changes that are meant, sorted and summed up
judging.py    accept, reject, roll back
tables.py     the lists
panel.py      the panel
"""

from app.rounds.panel import RoundPanel

__all__ = ["RoundPanel"]
