"""Icons of the one set the window uses (Material Design, through QtAwesome)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import qtawesome

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon

    from app.theme import Theme


def icon(name: str, theme: Theme) -> QIcon:
    """An icon in the theme's text colours."""
    return cast("QIcon", qtawesome.icon(name, color=theme.text, color_disabled=theme.muted))
