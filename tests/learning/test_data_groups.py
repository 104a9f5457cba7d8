"""Lists of groups are sequences of groups, and tables are looked up by person and frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.learning.data import Group, GroupList, LabelTable
from core.learning.data.dataset import StoredBoxes

GROUPS = st.lists(
    st.builds(Group, *(st.integers(0, high) for high in (2, 13, 67_000))), max_size=12
)


@settings(deadline=None, max_examples=50)
@given(GROUPS, st.slices(12))
def test_a_list_of_groups_is_the_sequence_it_was_made_of(groups, part):
    made = GroupList.of(groups)
    assert list(made) == groups
    assert len(made) == len(groups)
    assert [made[i] for i in range(-len(groups), len(groups))] == groups * 2
    assert list(made[part]) == groups[part]
    assert list(made + made) == groups * 2
    assert list(made.take([i for i in range(len(groups)) if i % 2])) == groups[1::2]
    assert made == GroupList(made.rows)
    assert all(group in made for group in groups)
    assert Group(3, 0, 0) not in made


def test_a_list_of_groups_cannot_be_changed_and_is_compact():
    rows = np.zeros((1000, 3), np.int32)
    made = GroupList(rows)
    rows[0] = 7
    assert made[0] == Group(0, 0, 0)
    assert made.rows.nbytes == 12_000
    with pytest.raises(ValueError, match="read-only"):
        made.rows[0] = 1


@settings(deadline=None, max_examples=50)
@given(st.sets(st.tuples(st.integers(0, 20), st.integers(0, 2**31 - 1)), max_size=20))
def test_labels_and_boxes_are_found_by_person_and_frame_alone(keys):
    rows = sorted(keys)
    points = np.arange(len(rows), dtype=np.float64)[:, None, None] * np.ones((1, 2, 3))
    table = LabelTable.from_rows(rows, points)
    boxes = StoredBoxes(table.keys, np.ones((len(rows), 3, 4)))
    for value, key in enumerate(rows):
        found = table.points_mm[table.rows_of(np.array([key]))[0]]
        assert (found == value).all()
        assert np.isfinite(boxes.boxes_of(np.array([key]))).all()
    stranger = np.array([(21, 0)])
    assert table.rows_of(stranger)[0] == -1
    assert np.isnan(boxes.boxes_of(stranger)).all()
