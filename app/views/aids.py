"""What helps the hand, resolved for every view once and kept while nothing of it changes.

Painting asks view by view and many times a second; ghosts of a drag, curves and footprints belong
to all views together. Each is made anew when, and only when, one of the values it came from is
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from app.views.ghosts import ViewGhosts, view_ghosts
from core.labelling.leaving_out import left_out_ghosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.session import Session

_T = TypeVar("_T")


class Aids:
    """Ghosts of the selected person, by view."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def forget(self) -> None:
        """Another project: nothing holds any more."""
        self._kept.clear()

    def ghosts_in(self, camera: int) -> ViewGhosts | None:
        """The ghosts to show in a view."""
        return self._ghosts()[camera] if self._session.ghosts is not None else None

    def _ghosts(self) -> list[ViewGhosts | None]:
        session, cursor = self._session, self._session.cursor
        ghosts = session.ghosts
        assert ghosts is not None

        def resolve() -> list[ViewGhosts | None]:
            left_out = self._left_out()
            num_cameras = ghosts.placed.shape[1]
            return [
                view_ghosts(ghosts, camera, cursor.person, cursor.joint, left_out)
                for camera in range(num_cameras)
            ]

        return self._keep("ghosts", (ghosts, cursor.person, cursor.joint), resolve)

    def _left_out(self) -> NDArray[Any] | None:
        session, cursor = self._session, self._session.cursor
        seen, project = session.observations, session.project
        if seen is None or project is None or cursor.person is None or cursor.joint is None:
            return None
        moved = None if session.preview is None else session.preview.points_px
        return left_out_ghosts(seen, project.rig, cursor.person, cursor.joint, moved)

    def _keep(self, name: str, key: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        found = self._kept.get(name)
        if found is None or not _same(found[0], key):
            found = self._kept[name] = (key, make())
        return cast("_T", found[1])


def _same(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Small values are the same when equal; arrays and what holds them, when they are one."""
    return all(
        a is b or (isinstance(a, _COMPARED) and a == b) for a, b in zip(first, second, strict=True)
    )


_COMPARED = (int, float, bool, str, tuple)
