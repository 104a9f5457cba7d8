"""What a command of the window would be about, without a window."""

from core.curation.accepting import select_in
from core.curation.pseudo import pseudo_labels


def select_at(project, source, settings, frame, *, person=None, joint=None):
    """All that was seen at one frame, of a person, or one joint of it."""
    labels = pseudo_labels(project, source, frame, frame + 1, settings)
    return select_in(labels, source.name, person=person, joint=joint)
