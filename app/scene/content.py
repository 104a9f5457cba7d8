"""What of the session is on the stage, and when it must be built anew.

Signals only mark parts as stale; they are rebuilt right before the next painting. So several
signals of one step cost one rebuild, and a viewer that nobody sees (its dock is closed, or behind
another tab) costs nothing at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from app.scene.before import before_strokes, selected_row, shown_diagnosis
from app.scene.evidence import NO_ELLIPSOIDS, hover_strokes, joint_strokes, person_ellipsoids
from app.scene.figures import (
    NOBODY,
    figure_strokes,
    place_figures,
    shadow_faces,
    truth_strokes,
)
from app.scene.forms import drag_strokes, ghost_strokes, read_decisions, review_strokes
from app.scene.labels import Label, LabelStyle
from app.scene.stage import make_stage
from app.scene.strokes import no_strokes, rgba
from app.scene.surroundings import (
    CameraMarks,
    camera_faces,
    camera_lines,
    ground_faces,
    ground_lines,
    place_frusta,
)
from app.state import HoverTarget
from app.theme import person_color, theme_named
from core.diagnosis import diagnose_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.dragging import SpaceDrag
    from app.scene.drawing import SceneDrawing
    from app.scene.evidence import Ellipsoids
    from app.scene.figures import Figures
    from app.scene.forms import Decisions
    from app.scene.stage import Stage
    from app.scene.surroundings import Frusta
    from app.scene.viewpoint import Place
    from app.session import Session
    from app.theme import Theme
    from core.diagnosis import FrameDiagnosis
    from core.project import Project

Part = Literal[
    "ground", "cameras", "people", "ellipsoids", "forms", "joint", "truth", "hover", "labels"
]
ALL_PARTS: tuple[Part, ...] = get_args(Part)

_PICK_PX = 14.0
# A head start for the selected person's joints, pixels.
_SELECTED_BONUS = 4.0
# The point size of the display settings at which strokes have their own thickness.
_USUAL_POINT_SIZE = 4.0
# Frames that are looked at to find the ground of a recording without a court.
_NUM_SAMPLES = 6


class SceneContent:
    """Knows what is stale, and rebuilds it from the session.

    Attributes:
        stage: None until a project is open and seen.
        figures: the people that are drawn.
        through: the camera that is looked through.
        hovered_camera: the camera under the pointer.
        is_following: the view follows the selected person.
        decisions: what people decided about the joints of the figures.
        drag: of the selected joint, while there is one here.
        drag_note: what it does, for the corner.
    """

    def __init__(self, session: Session, drawing: SceneDrawing) -> None:
        self._session = session
        self._drawing = drawing
        self._stale: set[Part] = set(ALL_PARTS)
        self._has_seen_people = False
        self._frusta: Frusta | None = None
        self._ellipsoids: tuple[Stage, FrameDiagnosis, int, Ellipsoids] | None = None
        self.stage: Stage | None = None
        self.figures: Figures = NOBODY
        self.through: int | None = None
        self.hovered_camera: int | None = None
        self.is_following = False
        self.decisions: Decisions | None = None
        self.drag: SpaceDrag | None = None
        self.drag_note = ""

    def mark(self, *parts: Part) -> None:
        """These must be built anew before the next painting."""
        self._stale.update(parts)
        if self.drag is None:
            self._drawing.update_lazily()
        else:
            self._drawing.update()

    def forget(self) -> None:
        """Another project is open, or none."""
        self.stage = None
        self.figures = NOBODY
        self._ellipsoids = self.decisions = None
        self.through = self.hovered_camera = None
        self.is_following = self._has_seen_people = False
        self.mark(*ALL_PARTS)

    @property
    def theme(self) -> Theme:
        """The colours in force."""
        return theme_named(self._session.display.theme)

    def refresh(self) -> bool:
        """Rebuild what is stale; say whether the stage is a new one."""
        project = self._session.project
        self._drawing.set_visible_now(visible=project is not None)
        self._drawing.set_theme(self.theme)
        if project is None:
            return False
        is_new = self._ensure_stage(project)
        stale, self._stale = self._stale, set()
        stage = self.stage
        assert stage is not None
        if "ground" in stale:
            self._drawing.show_ground(
                ground_faces(stage, self.theme), ground_lines(stage, self.theme)
            )
        if "cameras" in stale:
            self._build_cameras()
        if "people" in stale:
            self._build_people(stage, project)
        if "people" in stale or "ellipsoids" in stale:
            self._build_ellipsoids(stage, project)
        if "people" in stale or "forms" in stale:
            self._build_forms(stage, project)
        if "joint" in stale:
            self._build_joint(stage, project)
        if "truth" in stale:
            points = self._session.truth_points_mm
            strokes = truth_strokes(stage, points, project.skeleton.bones, self.theme)
            self._drawing.show_truth(strokes)
        if "hover" in stale:
            self._build_hover(stage)
        if "labels" in stale:
            self._drawing.set_labels(self._labels(stage, project), self._caption(stage))
        return is_new

    # The stage.

    def _ensure_stage(self, project: Project) -> bool:
        """Make the stage, and once more when people have been seen for the first time."""
        has_people = self._session.diagnosis is not None
        if self.stage is not None and (project.is_court or self._has_seen_people or not has_people):
            return False
        self._has_seen_people = has_people
        poses = np.empty((0, 0, 1, 3))
        if has_people and not project.is_court:
            poses = self._sample_poses(project)
        self.stage = make_stage(project.rig, poses, is_court=project.is_court)
        self._frusta = place_frusta(self.stage, project.rig)
        self._stale.update(ALL_PARTS)
        return True

    def _sample_poses(self, project: Project) -> NDArray[np.float64]:
        """(F P, 1, J, 3) kept joints of this frame and of some spread over the recording."""
        session = self._session
        assert session.diagnosis is not None
        frames = project.labelled_frames()
        if len(frames) < _NUM_SAMPLES:
            frames = np.arange(project.num_frames)
        spread = np.linspace(0, len(frames) - 1, min(_NUM_SAMPLES, len(frames))).astype(int)
        diagnoses = [
            diagnose_frame(project.observations(int(frame)), project.rig, session.settings)
            for frame in frames[spread]
        ]
        poses = [
            np.where(d.triangulation.kept[..., None], d.triangulation.points_mm, np.nan)
            for d in (session.diagnosis, *diagnoses)
            if len(d.persons)
        ]
        if not poses:
            return np.empty((0, 1, project.skeleton.num_joints, 3))
        return np.concatenate(poses)[:, None]

    # What is drawn.

    def _build_cameras(self) -> None:
        assert self._frusta is not None
        marks = CameraMarks(
            focused=self._session.cursor.camera, hovered=self.hovered_camera, through=self.through
        )
        self._drawing.show_cameras(
            camera_faces(self._frusta, self.theme, marks),
            camera_lines(self._frusta, self.theme, marks),
        )

    def _build_people(self, stage: Stage, project: Project) -> None:
        session = self._session
        self.figures = place_figures(stage, shown_diagnosis(session))
        strokes = figure_strokes(
            stage,
            self.figures,
            project.skeleton.bones,
            selected_row(session, self.figures),
            self.theme,
            size=session.display.point_size / _USUAL_POINT_SIZE,
        )
        shadows = shadow_faces(stage, self.figures, self.theme)
        self._drawing.show_people(strokes, shadows, stage.body)
        self.decisions = read_decisions(project, stage, session.cursor.frame, self.figures.persons)

    def _build_ellipsoids(self, stage: Stage, project: Project) -> None:
        """Those of the selected person, worked out once for all joints selected in turn."""
        session = self._session
        row, diagnosis, ellipsoids = session.person_row, session.diagnosis, NO_ELLIPSOIDS
        is_shown = session.display.ellipsoids and not session.is_blinking
        if is_shown and diagnosis is not None and row is not None:
            known = self._ellipsoids
            if (
                known is None
                or known[0] is not stage
                or known[1] is not diagnosis
                or known[2] != row
            ):
                found = person_ellipsoids(stage, project.rig, diagnosis, row)
                known = self._ellipsoids = (stage, diagnosis, row, found)
            ellipsoids = known[3].without(session.cursor.joint)
        self._drawing.show_ellipsoids(ellipsoids, rgba(self.theme.text, 0.85))

    def _build_forms(self, stage: Stage, project: Project) -> None:
        session, figures = self._session, self.figures
        row = selected_row(session, figures)
        bones = project.skeleton.bones
        parts = [ghost_strokes(stage, figures, session.ghosts, row, self.theme)]
        parts.append(before_strokes(session, stage, figures, bones))
        if self.decisions is not None:
            parts.append(review_strokes(figures, self.decisions, row, self.theme))
        if session.preview is not None:
            moved = session.preview.points_mm
            parts.append(drag_strokes(stage, figures, bones, moved, self.drag, self.theme))
        self._drawing.show_forms(np.concatenate(parts))

    def _build_joint(self, stage: Stage, project: Project) -> None:
        session = self._session
        row, joint = session.person_row, session.cursor.joint
        strokes = no_strokes()
        diagnosis = None if session.is_blinking else session.diagnosis
        if diagnosis is not None and row is not None and joint is not None:
            hover = session.hover_target
            strokes = joint_strokes(
                stage,
                project.rig,
                diagnosis,
                row,
                joint,
                self.theme,
                muted=None if self.decisions is None else self.decisions.muted[row, :, joint],
                hovered_camera=None if hover is None else hover.camera,
                through=self.through,
            )
        self._drawing.show_evidence(strokes)

    def _build_hover(self, stage: Stage) -> None:
        hover = self._session.hover_target
        strokes = no_strokes()
        if hover is not None and hover.person in self.figures.persons:
            row = self.figures.persons.index(hover.person)
            if 0 <= hover.joint < self.figures.points.shape[1]:
                point = self.figures.points[row, hover.joint]
                strokes = hover_strokes(stage, point, self.theme)
        self._drawing.show_hover(strokes)

    def _labels(self, stage: Stage, project: Project) -> list[Label]:
        session, theme = self._session, self.theme
        labels: list[Label] = []
        for index, name in enumerate(project.rig.names):
            if index == self.through:
                continue
            stands_out = index in (session.cursor.camera, self.hovered_camera)
            style = LabelStyle(
                text=theme.accent if stands_out else theme.muted,
                chip=theme.canvas,
                bold=index == session.cursor.camera,
            )
            rank = 1.0 if stands_out else 3 + index / 1000
            labels.append(Label(name, style, stage.cameras[index], rank, ("camera", index)))
        if self.drag is not None:
            return labels  # nothing between the eye and the joint
        for row, person in enumerate(self.figures.persons):
            is_selected = person == session.cursor.person
            if not (is_selected or session.display.labels):
                continue
            color = person_color(person).name()
            style = LabelStyle(text=color, chip=theme.canvas, opacity=0.55)
            if theme.name == "light":
                style = LabelStyle(text=theme.text, chip=color, opacity=0.45)
            if is_selected:
                style = LabelStyle(text="#101114", chip=color, opacity=1.0, bold=True)
            rank = 0.0 if is_selected else 2 + row / 1000
            anchor = self.figures.tops[row]
            labels.append(Label(str(person), style, anchor, rank, ("person", person)))
        return labels

    def _caption(self, stage: Stage) -> Label | None:
        """What a person may wonder about the picture, in the corner."""
        session = self._session
        project = session.project
        parts: list[str] = []
        if session.is_blinking and session.compared is not None:
            return self._corner(f"before: {session.compared.title}")
        if self.drag_note:
            return self._corner(self.drag_note)
        if self.through is not None and project is not None:
            parts.append(f"through {project.rig.names[self.through]}, lens distortion undone")
        if self.is_following and session.cursor.person is not None:
            parts.append(f"following #{session.cursor.person}")
        if session.diagnosis is None:
            parts.append("loading the triangulation …")
        elif not session.diagnosis.persons:
            parts.append("nobody was detected in this frame")
        if stage.scale_note and self.through is None:
            parts.append(stage.scale_note)
        return self._corner("  ·  ".join(parts)) if parts else None

    def _corner(self, text: str) -> Label:
        style = LabelStyle(text=self.theme.muted, chip=self.theme.canvas, opacity=0.7)
        return Label(text, style, np.zeros(3), 0.0)

    # What is where.

    def selected_points(self) -> NDArray[np.float64]:
        """(N, 3) the selected person's joints, stage units; kept ones where there are any."""
        figures, person = self.figures, self._session.cursor.person
        if person not in figures.persons:
            return np.empty((0, 3))
        row = figures.persons.index(person)
        points, kept = figures.points[row], figures.kept[row]
        return points[kept] if kept.any() else points[np.isfinite(points[:, 0])]

    def selected_joint_point(self) -> NDArray[np.float64] | None:
        """(3,) where the selected joint is drawn, stage units; None where it has no point."""
        cursor, figures = self._session.cursor, self.figures
        if cursor.joint is None or cursor.person not in figures.persons:
            return None
        point = figures.points[figures.persons.index(cursor.person), cursor.joint]
        return point if np.isfinite(point).all() else None

    def joint_at(self, position: Place) -> HoverTarget | None:
        """The joint meant by a place on the canvas: near, and rather the selected person's."""
        points = self.figures.points
        if not points.size:
            return None
        offsets = self._drawing.canvas_positions(points) - position
        cost = np.hypot(offsets[..., 0], offsets[..., 1])
        cost[~(cost <= _PICK_PX)] = np.inf
        if self._session.cursor.person in self.figures.persons:
            cost[self.figures.persons.index(self._session.cursor.person)] -= _SELECTED_BONUS
        row, joint = divmod(int(cost.argmin()), cost.shape[1])
        if not np.isfinite(cost[row, joint]):
            return None
        return HoverTarget(person=self.figures.persons[row], joint=joint)

    def camera_at(self, position: Place) -> int | None:
        """The camera whose centre or name is drawn there."""
        if self.stage is None:
            return None
        label = self._drawing.label_at(position)
        if label is not None and label.target is not None and label.target[0] == "camera":
            return label.target[1]
        offsets = self._drawing.canvas_positions(self.stage.cameras) - position
        distance = np.hypot(offsets[:, 0], offsets[:, 1])
        if self.through is not None:
            distance[self.through] = np.nan
        distance = np.where(np.isfinite(distance), distance, np.inf)
        best = int(distance.argmin())
        return best if distance[best] <= _PICK_PX else None

    def person_label_at(self, position: Place) -> int | None:
        """The person whose number is drawn there."""
        label = self._drawing.label_at(position)
        if label is None or label.target is None or label.target[0] != "person":
            return None
        return label.target[1]
