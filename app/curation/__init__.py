"""Curation in the window: which source is shown, reviews by key, and the Curate panel."""

from app.curation.panel import CuratePanel
from app.curation.queue_panel import QueuePanel
from app.curation.review_commands import ReviewCommands
from app.curation.source_chooser import SourceChooser

__all__ = ["CuratePanel", "QueuePanel", "ReviewCommands", "SourceChooser"]
