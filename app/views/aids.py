"""What helps the hand, resolved for all views at once and kept while nothing of it changes.

Painting asks view by view and many times a second; ghosts of a drag, curves and footprints belong
to all views together. Each is made anew when, and only when, one of the values it came from is
another. `snapped` uses the same values, so that a joint snaps to what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from app.views.epipolar import Curve, CurveCache, footprints, nearest_on, sources_of
from app.views.ghosts import ViewGhosts, view_ghosts
from core.diagnosis.uncertainty import joint_uncertainty
from core.labelling.leaving_out import left_out_ghosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.session import Session
    from app.views.transform import ViewTransform

_T = TypeVar("_T")
# A dragged joint this near to a curve, or to its ghost, goes there; widget pixels.
SNAP_RADIUS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewAids:
    """What is drawn of them in one view.

    Attributes:
        person: whose they are.
        joint: selected.
        camera: the current one, whose curve is stronger.
        curves: epipolar curves of the joint.
        footprint_px: (n, 2) raw pixels, or None.
        ghosts: of the person.
    """

    person: int
    joint: int | None
    camera: int
    curves: tuple[Curve, ...]
    footprint_px: NDArray[np.float64] | None
    ghosts: ViewGhosts | None


class Aids:
    """Ghosts, curves and footprints of the selected person and joint, by view."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self._curves = CurveCache()

    def forget(self) -> None:
        """Another project: nothing holds any more."""
        self._kept.clear()
        self._curves = CurveCache()

    def in_view(self, camera: int) -> ViewAids | None:
        """All there is to draw in a view; None where nobody is selected."""
        cursor = self._session.cursor
        if cursor.person is None:
            return None
        return ViewAids(
            person=cursor.person,
            joint=cursor.joint,
            camera=cursor.camera,
            curves=self.curves_in(camera),
            footprint_px=self.footprint_in(camera),
            ghosts=self.ghosts_in(camera),
        )

    def ghosts_in(self, camera: int) -> ViewGhosts | None:
        """The ghosts to show in a view."""
        ghosts, cursor = self._session.ghosts, self._session.cursor
        if ghosts is None:
            return None

        def resolve() -> list[ViewGhosts | None]:
            left_out = self._left_out_px()
            num_cameras = ghosts.placed.shape[1]
            return [
                view_ghosts(ghosts, camera, cursor.person, cursor.joint, left_out)
                for camera in range(num_cameras)
            ]

        return self._keep("ghosts", (ghosts, cursor.person, cursor.joint), resolve)[camera]

    def curves_in(self, camera: int) -> tuple[Curve, ...]:
        """The epipolar curves to show in a view; none where they are not wanted.

        Where the joint was placed already, those of all the other hand labels would only hide it:
        there the current camera's is enough until something is dragged.
        """
        display, is_dragged = self._session.display, self._session.preview is not None
        if not (display.epipolar or display.snapping or is_dragged):
            return ()
        curves = self._all_curves(camera)
        if is_dragged or not self._is_placed(camera):
            return curves
        return tuple(curve for curve in curves if curve.camera == self._session.cursor.camera)

    def _is_placed(self, camera: int) -> bool:
        """Whether the selected joint was placed by hand in a view."""
        ghosts, cursor = self._session.ghosts, self._session.cursor
        if ghosts is None or cursor.joint is None or cursor.person not in ghosts.persons:
            return False
        return bool(ghosts.placed[ghosts.persons.index(cursor.person), camera, cursor.joint])

    def _all_curves(self, camera: int) -> tuple[Curve, ...]:
        session, cursor = self._session, self._session.cursor
        project, seen = session.project, session.observations
        if project is None or seen is None or cursor.person is None or cursor.joint is None:
            return ()
        person, joint = cursor.person, cursor.joint
        moved = self._moved()

        def resolve() -> list[tuple[Curve, ...]]:
            found: list[list[Curve]] = [[] for _ in project.rig]
            sources = sources_of(seen, person, joint, cursor.camera, moved)
            for source, (point, is_by_hand) in sources.items():
                drawn = self._curves.curves(project.rig, project.world_volume, source, point)
                for into, lines in zip(found, drawn, strict=True):
                    if lines:
                        into.append(
                            Curve(camera=source, is_by_hand=is_by_hand, lines_px=tuple(lines))
                        )
            return [tuple(each) for each in found]

        key = (seen, session.preview, person, joint, cursor.camera)
        return self._keep("curves", key, resolve)[camera]

    def footprint_in(self, camera: int) -> NDArray[np.float64] | None:
        """(n, 2) raw pixels, the footprint of the selected joint in a view; None = not wanted."""
        session, cursor = self._session, self._session.cursor
        project, diagnosis, joint = session.project, session.diagnosis, cursor.joint
        if (
            not session.display.ellipsoids
            or project is None
            or diagnosis is None
            or joint is None
            or cursor.person not in diagnosis.persons
        ):
            return None
        row = diagnosis.persons.index(cursor.person)

        def resolve() -> NDArray[np.float64] | None:
            known = joint_uncertainty(diagnosis, project.rig, row, joint)
            if known is None or not diagnosis.triangulation.kept[row, joint]:
                return None
            point = diagnosis.triangulation.points_mm[row, joint]
            return footprints(project.rig, point, known.covariance_mm2)

        found = self._keep("footprints", (diagnosis, row, joint), resolve)
        return None if found is None else found[camera]

    def snapped(
        self, camera: int, point_px: NDArray[np.float64], transform: ViewTransform
    ) -> NDArray[np.float64]:
        """Where a joint dragged to ``point_px`` (2,) goes, raw pixels: a ghost or curve near by.

        What hand labels of two other views agree on, the ghost made without this view, wins over
        the curve of one.
        """
        reach = SNAP_RADIUS / transform.scale
        left_out = self._left_out_px()
        if left_out is not None and np.linalg.norm(left_out[camera] - point_px) <= reach:
            return left_out[camera]
        lines = [
            line
            for curve in self._all_curves(camera)
            if curve.is_by_hand and curve.camera != camera
            for line in curve.lines_px
        ]
        found = nearest_on(lines, point_px)
        return point_px if found is None or found[1] > reach else found[0]

    def _left_out_px(self) -> NDArray[np.float64] | None:
        session, cursor = self._session, self._session.cursor
        seen, project = session.observations, session.project
        if seen is None or project is None or not session.is_engine_ready:
            return None
        if cursor.person is None or cursor.joint is None:
            return None
        return left_out_ghosts(seen, project.rig, cursor.person, cursor.joint, self._moved())

    def _moved(self) -> Any:  # noqa: ANN401 - see EditPreview.by_hand_px
        preview = self._session.preview
        return None if preview is None else preview.by_hand_px

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
