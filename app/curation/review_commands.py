"""Reviews by key: accept, reject, lock; of the joint, the person, or all on the frame.

One joint is judged as it is, also against the discard rule ("rescued"). Many at once are judged
with care: only what the triangulation keeps and nobody has judged yet is accepted, so that a bulk
acceptance never overrides anybody's decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject

from app.format import joint_name
from core.curation.accepting import (
    Selection,
    accept,
    acceptable,
    reject,
    select_in,
    unlock,
    unreview,
)
from core.curation.pseudo import diagnosed_labels
from core.errors import CommandRefusedError
from core.project import ReviewState

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.session import Session
    from core.curation.sources import FrameSource
    from core.project import Edit

Scope = Literal["joint", "person", "frame"]
Verb = Literal["accept", "reject", "lock", "unlock", "unreview"]


class ReviewCommands(QObject):
    """What can be decided about the frame under the cursor."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session

    def bind_commands(self, commands: Commands) -> None:
        """Bind them all."""
        bind = commands.bind
        for scope in ("joint", "person"):
            for verb in ("accept", "reject", "unreview"):
                bind(f"{verb}_{scope}", self._judging(verb, scope), self.why_not)
            bind(f"lock_{scope}", self._locking(scope), self.why_not)
        bind("accept_frame", self.accept_frame_and_go_on, self.why_not)

    def why_not(self) -> str:
        """Why nothing can be judged; empty where something can."""
        if self._session.diagnosis is None:
            return "The triangulation is not ready yet."
        if self._session.person_row is None:
            return "Select a person of this frame first."
        return ""

    def _judging(self, verb: Verb, scope: Scope) -> Callable[[], None]:
        return lambda: self.judge(verb, scope)

    def _locking(self, scope: Scope) -> Callable[[], None]:
        return lambda: self.toggle_lock(scope)

    def toggle_lock(self, scope: Scope) -> None:
        """Lock, or unlock where all of it is locked."""
        selection = self.selection(scope)
        is_locked = len(selection) > 0 and bool(selection.in_state(ReviewState.LOCKED).all())
        self.judge("unlock" if is_locked else "lock", scope)

    def selection(self, scope: Scope) -> Selection:
        """What a command would be about.

        Raises:
            CommandRefusedError: nobody, or no joint, is selected.
        """
        session, cursor = self._session, self._session.cursor
        source, seen = session.source, session.observations
        diagnosis, reviews = session.diagnosis, session.reviews
        if source is None or seen is None or diagnosis is None or reviews is None:
            raise CommandRefusedError("The triangulation is not ready yet.")
        if scope != "frame" and session.person_row is None:
            raise CommandRefusedError("Select a person of this frame first.")
        if scope == "joint" and cursor.joint is None:
            raise CommandRefusedError("Select a joint first.")
        return select_in(
            diagnosed_labels(seen, diagnosis, reviews),
            source.name,
            person=None if scope == "frame" else cursor.person,
            joint=cursor.joint if scope == "joint" else None,
        )

    def judge(self, verb: Verb, scope: Scope) -> None:
        """Accept, reject, lock, unlock, or take the review back."""
        source = self._session.source
        selection = self.selection(scope)
        assert source is not None
        if not len(selection):
            raise CommandRefusedError("Nothing was seen of it in this frame.")
        self._session.apply(self._edit(source, verb, scope, selection))

    def _edit(self, source: FrameSource, verb: Verb, scope: Scope, selection: Selection) -> Edit:
        if scope != "joint" and verb in ("accept", "lock"):
            selection = selection.where(with_care(selection, verb))
            if not len(selection):
                raise CommandRefusedError(
                    "Nothing left: what is kept here has been judged already. A discarded joint is"
                    " accepted by itself."
                )
        name = self._name(verb, selection)
        if verb == "accept":
            return accept(source, selection, name=name)
        if verb == "lock":
            return accept(source, selection, "locked", name=name)
        return {"reject": reject, "unlock": unlock, "unreview": unreview}[verb](
            selection, name=name
        )

    def accept_frame_and_go_on(self) -> None:
        """Accept all on the frame that is kept and unreviewed, and go to the next frame."""
        source = self._session.source
        selection = self.selection("frame")
        assert source is not None
        left = selection.where(with_care(selection, "accept"))
        frames = source.frames()
        later = frames[frames > self._session.cursor.frame]
        following = int(later[0]) if len(later) else None
        if len(left):
            edit = accept(source, left, name=self._name("accept", left))
            self._session.apply(edit, next_frame=following)
        else:
            self._session.message_posted.emit("All that is kept on this frame was judged already.")
            if following is not None:
                self._session.set_frame(following)
        if following is None:
            raise CommandRefusedError("This was the last frame of what is shown.")

    def _name(self, verb: Verb, selection: Selection) -> str:
        """Name of the step: with the joint's name where it is one."""
        if len(selection) != 1:
            return ""
        joints = self._session.require_project().skeleton.joints
        _, person, joint = selection.keys[0].tolist()
        verbs = {"unreview": "Take back the review of"}
        return f"{verbs.get(verb, verb.capitalize())} {joint_name(joints[joint])} of #{person}"


def with_care(selection: Selection, verb: Verb) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(N,) what a bulk acceptance takes: kept and unreviewed; a bulk lock also what is accepted."""
    if verb == "lock":
        free = selection.in_state(ReviewState.UNREVIEWED, ReviewState.ACCEPTED)
    else:
        free = selection.in_state(ReviewState.UNREVIEWED)
    accepted = selection.in_state(ReviewState.ACCEPTED)
    return np.asarray(free & acceptable(selection) & (selection.kept | accepted))
