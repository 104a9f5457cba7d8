"""`trilabel merge`: take over what a second annotator labelled in a copy of the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, report, terminal_progress

if TYPE_CHECKING:
    import argparse

    from core.project import MergePlan, Project

_DESCRIPTION = """\
Take over what a second annotator did in a copy of a project: labels, 3D labels, accepted
and rejected joints, mutes, corrected tracks and swapped identities.

The two journals tell what each side changed since the copy was made. What only the copy
changed is taken over, with its time and annotator; what only this project changed stays.
What both changed, and differently, is a conflict: all of them are listed with both sides,
and without --prefer nothing is merged while there are any. Joints that are locked here
stay as they are.

The merge is one step of the journal: Undo in the window takes it back. The copy is only
read. Both sides of every conflict are kept in PROJECT/exports/merge-*.json.
"""

_EPILOG = """\
examples:
  trilabel merge match.trilabel match-ann.trilabel --dry-run
  trilabel merge match.trilabel match-ann.trilabel --prefer mine

exit codes: 0 merged (or nothing to merge), 1 conflicts without --prefer, or the data has a
problem, 2 wrong usage
"""

MANUAL = Manual(
    name="merge",
    summary="take over the labels of a second annotator's copy",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)

_SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("project", type=Path, metavar="A", help="the project that is changed")
    parser.add_argument("other", type=Path, metavar="B", help="the copy; only read")
    parser.add_argument(
        "--prefer",
        choices=["mine", "theirs"],
        help="whose side is taken where both changed the same: A's or B's",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list what would be done, all conflicts, and leave"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, list, merge."""
    from core.errors import CommandRefusedError
    from core.project import Merge, Project
    from core.project.merge import all_theirs, plan_merge
    from core.project.merge_report import merge_and_report

    with Project.open(arguments.project, read_only=arguments.dry_run) as project:
        if project.read_only and not arguments.dry_run:
            raise CommandRefusedError(
                f"This project is open for reading only: {project.read_only_reason}."
            )
        plan = plan_merge(project, arguments.other, terminal_progress("Comparing"))
        _tell(project, plan, everything=arguments.dry_run)
        if arguments.dry_run or not (plan.num_additions or plan.conflicts):
            return 0
        if plan.conflicts and arguments.prefer is None:
            report("Nothing was merged: say --prefer mine or theirs, or merge in the window.")
            return 1
        theirs = all_theirs(plan) if arguments.prefer == "theirs" else frozenset[int]()
        path = merge_and_report(project, Merge(plan=plan, theirs=theirs), project.apply)
        report(f"Merged in one step, which Undo takes back. Both sides of all conflicts: {path}")
    return 0


def _tell(project: Project, plan: MergePlan, *, everything: bool) -> None:
    from app.format import counted
    from core.project.merge_report import KIND_NAMES, side_text

    for note in plan.notes:
        report(f"Note: {note}")
    if not (plan.num_additions or plan.conflicts):
        report("There is nothing to merge: the copy changed nothing that is not here already.")
    for kind, count in plan.counts.items():
        report(f"To take over: {counted(count, KIND_NAMES[kind])}")
    if plan.conflicts:
        report(f"{counted(len(plan.conflicts), 'conflict')}:")
    shown = plan.conflicts if everything else plan.conflicts[:_SHOWN]
    for conflict in shown:
        place = [f"frame {conflict.frame + project.first_frame_number}", f"#{conflict.person}"]
        if conflict.joint is not None:
            place.append(project.skeleton.joints[conflict.joint])
        if conflict.camera is not None:
            place.append(project.rig.names[conflict.camera])
        locked = "  (locked here: stays)" if conflict.is_locked else ""
        report(f"  {', '.join(place)}: {KIND_NAMES[conflict.kind]}{locked}")
        report(f"    mine    {side_text(conflict, conflict.mine)}")
        report(f"    theirs  {side_text(conflict, conflict.theirs)}")
    if len(shown) < len(plan.conflicts):
        report(f"  … and {len(plan.conflicts) - len(shown)} more; --dry-run lists all")
