"""Export: labels and accepted pseudo-labels for other tools, each format with its datasheet.

`export_project` is the whole; `FORMATS` says what there is.
"""

from core.exporting.content import WHATS, Content, Kind, What
from core.exporting.export import ExportReport, export_project, refuse_taken
from core.exporting.formats import FORMATS, Format
from core.exporting.gathering import gather

__all__ = [
    "FORMATS",
    "WHATS",
    "Content",
    "ExportReport",
    "Format",
    "Kind",
    "What",
    "export_project",
    "gather",
    "refuse_taken",
]
