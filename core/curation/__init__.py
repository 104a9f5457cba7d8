"""Curation: what can be shown and judged, found by a query, accepted with its provenance.

    sources.py   where shown observations come from: detections, or a run's predictions
    choices.py   the list of them, for a chooser
    pseudo.py    blocks of pseudo-labels under the settings in force, with their review states
    query.py     "kept residual<8 person=5 state=unreviewed": which of them
    accepting.py pseudo-labels → edits

No Qt. Nothing here ever reads the truth of a generated match.
"""
