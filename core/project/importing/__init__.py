"""Making projects of other tools' files: what ``trilabel import`` and ``trilabel new`` call."""

from core.project.importing.general import new_project
from core.project.importing.sportcenter import import_sportcenter

__all__ = ["import_sportcenter", "new_project"]
