"""What can be done about a joint's evidence: mute a view, rescue a discarded joint, or confirm it.

Each makes an edit and hands it to the session. Muting says how frames are looked at and is logged;
it is no label, and nothing is learned from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.format import joint_name
from core.curation.rescuing import rescued
from core.diagnosis import explain_joint
from core.errors import CommandRefusedError
from core.project import JointKey, PointKey, ReviewState, SetOverrides, SetReviews

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.commands import Commands
    from app.session import Session
    from core.diagnosis import FrameDiagnosis


def bind_trust(commands: Commands, session: Session) -> None:
    """Bind the commands about the selected joint in the selected view."""
    bind = commands.bind
    bind("mute_view", lambda: toggle_muted(session, session.cursor.camera))
    bind("mute_view_person", lambda: toggle_muted(session, session.cursor.camera, everything=True))
    bind("unmute_joint", lambda: unmute(session))
    bind("rescue", lambda: rescue(session))
    bind("confirm_discarded", lambda: confirm(session))


def toggle_muted(session: Session, camera: int, *, everything: bool = False) -> None:
    """Let a view's observation of the selected joint count no more, or count again.

    Args:
        session: of the window.
        camera: index of the view.
        everything: all joints of the person in that view, not the selected one alone.

    Raises:
        CommandRefusedError: there is nothing to mute.
    """
    diagnosis, row, joint = _selected(session)
    joints = np.arange(diagnosis.muted.shape[2]) if everything else np.array([joint])
    silent = diagnosis.muted[row, camera, joints]
    seen = silent | diagnosis.observed[row, camera, joints]
    name = session.require_project().rig.names[camera]
    if not seen.any():
        raise CommandRefusedError(f"{name} does not see it: there is nothing to mute.")
    is_quiet = bool(silent[seen].all())
    frame, person = diagnosis.frame, diagnosis.persons[row]
    chosen = joints[seen] if is_quiet else joints[seen & ~silent]
    keys = tuple(JointKey(frame, camera, person, int(each)) for each in chosen)
    session.apply(SetOverrides(keys=keys, muted=not is_quiet))


def unmute(session: Session) -> None:
    """Let every view of the selected joint count again.

    Raises:
        CommandRefusedError: none is muted.
    """
    diagnosis, row, joint = _selected(session)
    cameras = np.flatnonzero(diagnosis.muted[row, :, joint]).tolist()
    if not cameras:
        raise CommandRefusedError("No view of this joint is muted.")
    person = diagnosis.persons[row]
    keys = tuple(JointKey(diagnosis.frame, camera, person, joint) for camera in cameras)
    session.apply(SetOverrides(keys=keys, muted=False))


def rescue(session: Session, without: Sequence[int] | None = None) -> None:
    """Take a discarded joint's point all the same.

    Args:
        session: of the window.
        without: views that shall have no part in it; None = the fewest without which the joint
            would be kept, or none where that does not help.

    Raises:
        CommandRefusedError: the joint is kept, has no point, or is locked.
    """
    diagnosis, row, joint = _selected(session)
    source, seen = session.source, session.observations
    assert source is not None
    assert seen is not None
    if without is None:
        cure = explain_joint(diagnosis, source.rig, row, joint).cure
        without = () if cure is None else cure.without
    session.apply(rescued(source, seen, diagnosis, row, joint, without))


def confirm(session: Session) -> None:
    """Agree that a discarded joint is wrong: it never serves as a pseudo-label.

    Raises:
        CommandRefusedError: the joint is kept, or was confirmed before.
    """
    diagnosis, row, joint = _selected(session)
    name = joint_name(session.require_project().skeleton.joints[joint])
    person = diagnosis.persons[row]
    if diagnosis.triangulation.kept[row, joint]:
        raise CommandRefusedError(f"{name} of #{person} is kept: no discard to confirm.")
    reviews = session.reviews
    if reviews is not None and reviews[row, joint] == ReviewState.REJECTED:
        raise CommandRefusedError(f"{name} of #{person} is confirmed as discarded already.")
    session.apply(_review(session, "rejected", f"Confirm that {name} of #{person} is discarded"))


def take_back(session: Session) -> None:
    """Let the selected joint be unreviewed again.

    Raises:
        CommandRefusedError: it is locked.
    """
    session.apply(_review(session, None, ""))


def _review(session: Session, state: str | None, name: str) -> SetReviews:
    diagnosis, row, joint = _selected(session)
    key = PointKey(diagnosis.frame, diagnosis.persons[row], joint)
    source = "" if session.source is None else session.source.name
    return SetReviews(
        keys=(key,),
        state="rejected" if state == "rejected" else None,
        source=source,
        name=name,
    )


def _selected(session: Session) -> tuple[FrameDiagnosis, int, int]:
    session.require_project()
    diagnosis, row, joint = session.diagnosis, session.person_row, session.cursor.joint
    if diagnosis is None or row is None or joint is None:
        raise CommandRefusedError("Select a person's joint first.")
    return diagnosis, row, joint
