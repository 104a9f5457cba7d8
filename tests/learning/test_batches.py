import itertools
import threading

import numpy as np
import pytest
import torch

from core.learning.batches import Batch, BatchRequest, GroupLoader, default_workers, sampled
from core.learning.crops import cut
from core.learning.data.groups import Group
from core.project.runs.config import AugmentOptions
from tests.learning.crop_world import COLORS, DotRecording, data_of, small_rig

HW = (64, 48)
STRONG = AugmentOptions(color=0.3, scale=0.2, shift=0.08, rotation=15, flip=0.5, cutout=0.3)
COLORLESS = AugmentOptions(color=0, scale=0.2, shift=0.08, rotation=15, flip=0.5)
TENSORS = (
    "images",
    "in_view",
    "raw_from_crop",
    "mirrored",
    "boxes_px",
    "targets_px",
    "points_mm",
    "lift_images",
    "rejected",
    "rig_index",
)


def loader(data=None, **options) -> GroupLoader:
    told = {"input_hw": HW, "augment": STRONG, "lift_size": 32, "workers": 0, **options}
    return GroupLoader(data if data is not None else data_of(DotRecording()), **told)


def same(a: Batch, b: Batch) -> bool:
    return a.groups == b.groups and all(
        torch.equal(torch.nan_to_num(getattr(a, name)), torch.nan_to_num(getattr(b, name)))
        for name in TENSORS
    )


def test_a_batch_is_the_same_however_it_is_made(tmp_path):
    data = data_of(DotRecording())
    groups = tuple(data.labelled)
    key = (3, 14)
    with loader(data) as plain, loader(data, cache_dir=tmp_path, workers=3) as cached:
        expected = plain.batch(groups, key, augmented=True)
        assert expected.images.any()
        assert same(cached.batch(groups, key, augmented=True), expected)  # from a cold cache
        assert same(cached.batch(groups, key, augmented=True), expected)  # from a warm one
        request = BatchRequest(groups=groups, key=key, augmented=True)
        for made in cached.stream(itertools.repeat(request, 7)):
            assert same(made, expected)
        assert not same(plain.batch(groups, (3, 15), augmented=True), expected)


def test_a_batch_knows_the_joints_that_somebody_rejected():
    data = data_of(DotRecording())
    groups = (Group(0, 0, 2), Group(0, 1, 2), Group(0, 2, 3))
    with loader(data) as maker:
        batch = maker.batch(groups, (0,), augmented=False)
    assert batch.rejected.nonzero().tolist() == [[1, 0]]
    assert [part.rejected.any().item() for part in batch.micro(1)] == [False, True, False]


def test_a_group_looks_the_same_in_any_batch(tmp_path):
    data = data_of(DotRecording())
    groups = tuple(data.labelled)
    with loader(data) as maker:
        whole = maker.batch(groups, (1,), augmented=True)
        rank = maker.batch(groups[1::2], (1,), augmented=True)
    assert torch.equal(whole.images[1::2], rank.images)
    assert torch.equal(whole.raw_from_crop[1::2], rank.raw_from_crop)


def test_different_keys_never_meet_in_one_stream_of_numbers():
    data = data_of(DotRecording())
    with loader(data) as maker:
        a = maker.batch([Group(0, 1, 2)], (1, 0), augmented=True)
        b = maker.batch([Group(0, 1, 2)], (1,), augmented=True)
        c = maker.batch([Group(0, 1, 2)], (-1,), augmented=True)
    assert not torch.equal(a.raw_from_crop, b.raw_from_crop)
    assert not torch.equal(c.raw_from_crop, b.raw_from_crop)


@pytest.mark.parametrize("augmented", [False, True])
def test_a_label_lies_in_its_crop_where_the_joint_is_seen(augmented):
    """On a mirrored crop the left hand's place shows the right hand: what the network will say."""
    data = data_of(DotRecording())
    groups = [Group(0, person, frame) for person in range(3) for frame in range(5)]
    with loader(data, input_hw=(128, 96), augment=COLORLESS) as maker:
        batch = maker.batch(groups, (5,), augmented=augmented)
    points = torch.round(batch.crop_points(batch.targets_px)).long().numpy()
    checked = mirrored = 0
    for g, c in zip(*np.nonzero(batch.in_view.numpy()), strict=True):
        image = batch.images[g, c].numpy()
        for joint, (x, y) in enumerate(points[g, c]):
            shown = data.skeleton.mirror[joint] if batch.mirrored[g, c] else joint
            if 2 <= x < 94 and 2 <= y < 126:
                # Somebody else's dot may be in front: three people stand close together.
                colors = np.abs(image[:, y, x].astype(int) - COLORS.astype(int)).max(axis=1)
                checked += 1
                mirrored += bool(batch.mirrored[g, c])
                assert colors[shown] < 40 or (colors < 40).any()
                if batch.groups[g].person == 2:  # drawn last, so hidden by nobody
                    assert colors[shown] < 40
    assert checked > 60
    assert (mirrored > 10) == augmented


def test_raw_points_and_crop_points_undo_each_other():
    with loader() as maker:
        batch = maker.batch(tuple(maker.data.labelled), (2,), augmented=True)
    assert batch.mirrored.any()
    points = torch.rand(len(batch), 3, 3, 2, dtype=torch.float64) * 48
    raw = batch.raw_points(points, maker.data.skeleton.mirror)
    assert torch.allclose(batch.crop_points(raw), points)
    assert torch.equal(batch.raw_points(points), raw)


def test_raw_points_exchanges_sides_in_mirrored_views_only():
    with loader(augment=AugmentOptions(flip=0.5)) as maker:
        batch = maker.batch(tuple(maker.data.labelled), (2,), augmented=True)
    values = torch.arange(3).expand(len(batch), 3, 3)
    swapped = batch.values_swapped(values)
    assert torch.equal(swapped[batch.mirrored][:, 1], torch.full((int(batch.mirrored.sum()),), 2))
    assert torch.equal(swapped[~batch.mirrored], values[~batch.mirrored])
    assert 0 < int(batch.mirrored.sum()) < batch.mirrored.numel()


def test_raw_points_carries_gradients_from_float32():
    with loader() as maker:
        batch = maker.batch(list(maker.data.labelled)[:2], (2,), augmented=True)
    points = torch.rand(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(batch.raw_points, (points,))
    single = torch.rand(2, 3, 3, 2, requires_grad=True)
    batch.raw_points(single).sum().backward()
    assert single.grad is not None
    assert single.grad.isfinite().all()


def test_a_view_where_the_person_is_not_seen_is_black_and_harms_nothing():
    data = data_of(DotRecording())
    with loader(data) as maker:
        batch = maker.batch([Group(0, 2, 0)], (1,), augmented=True, cutout=1.0)
    assert batch.in_view.tolist() == [[True, False, True]]
    assert not batch.images[0, 1].any()
    assert not batch.lift_images[0, 1].any()
    assert not batch.mirrored[0, 1]
    assert batch.boxes_px[0, 1].isnan().all()
    assert batch.boxes_px[0, 0].isfinite().all()
    assert batch.raw_from_crop.isfinite().all()
    assert batch.raw_points(torch.rand(1, 3, 3, 2)).isfinite().all()


def test_a_view_without_a_picture_is_one_where_nobody_is_seen(tmp_path):
    recording = DotRecording(missing=frozenset({(0, 1)}), damaged=frozenset({(2, 1)}))
    with loader(data_of(recording), cache_dir=tmp_path) as maker:
        batch = maker.batch([Group(0, 0, 1), Group(0, 0, 2)])
        assert batch.in_view.tolist() == [[False, True, False], [True, True, True]]
        (problem,) = maker.problems
        assert "cam_2, frame 1" in problem


def test_smaller_copies_of_the_calibrated_pictures_give_the_same_crops():
    small, full = DotRecording(stored=(320, 240)), DotRecording()
    groups = [Group(0, person, 0) for person in range(3)]
    with loader(data_of(small)) as copies, loader(data_of(full)) as originals:
        a, b = copies.batch(groups), originals.batch(groups)
    assert torch.equal(a.raw_from_crop, b.raw_from_crop)
    difference = (a.images.float() - b.images.float()).abs()
    assert difference.mean() < 1.2  # blurred: 1.09; a quarter of a raw pixel of shift makes it 1.27


def test_boxes_have_the_crops_aspect_and_do_not_vary():
    with loader() as maker:
        groups = tuple(maker.data.labelled)
        plain, varied = maker.batch(groups), maker.batch(groups, (9,), augmented=True)
    assert torch.equal(plain.boxes_px.nan_to_num(), varied.boxes_px.nan_to_num())
    size = plain.boxes_px[plain.in_view][:, 2:] - plain.boxes_px[plain.in_view][:, :2]
    assert torch.allclose(size[:, 1] / size[:, 0], torch.tensor(64 / 48, dtype=torch.float64))
    corner = torch.tensor([-0.5, -0.5]).expand(len(plain), 3, 3, 2)
    raw = plain.raw_points(corner)[..., 0, :]
    assert torch.allclose(raw[plain.in_view], plain.boxes_px[plain.in_view][:, :2])


def test_the_lifters_crop_is_square_round_the_box_and_never_varied():
    recording = DotRecording()
    with loader(data_of(recording), lift_size=40) as maker:
        batch = maker.batch([Group(0, 0, 0)], (4,), augmented=True, cutout=1.0)
    box = recording.boxes_px(0, 0)[0]
    center, side = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max()
    per_px = side / 40
    corner = center - side / 2 + per_px / 2
    raw_from_lift = np.column_stack([per_px * np.eye(2), corner])
    expected = cut(recording.read(0, 0), raw_from_lift, 40, 40)
    assert np.array_equal(batch.lift_images[0, 0].permute(1, 2, 0).numpy(), expected)


def test_images_are_laid_out_as_channels_last_without_a_copy():
    with loader() as maker:
        batch = maker.batch(tuple(maker.data.labelled))
    flat = batch.images.flatten(0, 1)
    assert flat.data_ptr() == batch.images.data_ptr()
    assert flat.is_contiguous(memory_format=torch.channels_last)


def test_micro_batches_are_the_batch_in_parts():
    with loader() as maker:
        batch = maker.batch(tuple(maker.data.labelled))
    assert [len(part) for part in batch.micro(4)] == [4, 2]
    assert batch.micro(0) == [batch]
    parts = batch.micro(4)
    assert sum((part.groups for part in parts), ()) == batch.groups
    for name in TENSORS:
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined.nan_to_num(), getattr(batch, name).nan_to_num())


def test_groups_know_the_rig_of_their_recording():
    recordings = [DotRecording("a"), DotRecording("b", rig=small_rig(0.7))]
    groups = [Group(1, 0, 0), Group(0, 0, 0), Group(1, 1, 0)]
    with loader(data_of(*recordings)) as maker:
        batch = maker.batch(groups)
    assert [batch.rigs[i] for i in batch.rig_index.tolist()] == [
        recordings[group.recording].rig for group in groups
    ]
    assert len(batch.rigs) == 2
    assert not torch.equal(batch.images[0], batch.images[1])


def test_without_options_nothing_varies_whatever_is_asked():
    with loader(augment=None) as maker:
        groups = tuple(maker.data.labelled)
        assert same(maker.batch(groups, (1,), augmented=True), maker.batch(groups, (2,)))


def test_cut_out_can_be_asked_for_by_itself():
    with loader(augment=COLORLESS) as maker:
        groups = tuple(maker.data.labelled)
        plain, cut = maker.batch(groups), maker.batch(groups, (1,), cutout=1.0)
    assert torch.equal(plain.raw_from_crop, cut.raw_from_crop)
    changed = (plain.images != cut.images).flatten(2).any(-1)
    assert torch.equal(changed, plain.in_view)


def test_each_picture_is_decoded_once_for_all_people_of_a_batch():
    recording = DotRecording()
    with loader(data_of(recording)) as maker:
        maker.batch([Group(0, person, frame) for person in range(3) for frame in range(2)])
    assert recording.reads == {(camera, frame): 1 for camera in range(3) for frame in range(2)}


def test_prefilling_decodes_each_picture_once_and_batches_then_none(tmp_path):
    recording = DotRecording()
    data = data_of(recording)
    told: list[tuple[int, int]] = []
    with loader(data, cache_dir=tmp_path, workers=2) as maker:
        assert maker.prefill(data.labelled, lambda done, total: told.append((done, total)) or True)
        assert told == [(n, 6) for n in range(1, 7)]
        assert set(recording.reads.values()) == {1}
        before = recording.reads.copy()
        maker.batch(tuple(data.labelled), (1,), augmented=True)
        assert maker.prefill(data.labelled)
        assert recording.reads == before


def test_prefilling_stops_when_told_to(tmp_path):
    recording = DotRecording()
    with loader(data_of(recording), cache_dir=tmp_path) as maker:
        assert not maker.prefill(maker.data.labelled, lambda done, _: done < 2)
    assert sum(recording.reads.values()) < 6


def test_prefilling_ends_where_the_cache_is_full(tmp_path):
    with loader(cache_dir=tmp_path, cache_gb=5e-5) as maker:
        assert not maker.prefill(maker.data.labelled)
        assert maker.problems == ()
        assert maker.batch(tuple(maker.data.labelled)).images.any()


def test_damaged_crops_on_disk_are_made_again(tmp_path):
    data = data_of(DotRecording())
    with loader(data, cache_dir=tmp_path) as maker:
        expected = maker.batch(tuple(data.labelled))
    for path in tmp_path.glob("*.crops"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        path.write_bytes(content)
    with loader(data, cache_dir=tmp_path) as maker:
        assert same(maker.batch(tuple(data.labelled)), expected)
        assert same(maker.batch(tuple(data.labelled)), expected)


def test_a_stream_keeps_the_order_and_can_be_left(tmp_path):
    data = data_of(DotRecording())
    groups = list(data.labelled)
    asked: list[int] = []

    def requests():
        for step in itertools.count():
            asked.append(step)
            yield BatchRequest(groups=[groups[step % 6]], key=(step,), augmented=True)

    with loader(data, workers=2) as maker:
        stream = maker.stream(requests())
        for step in range(9):
            assert next(stream).groups == (groups[step % 6],)
        stream.close()
        assert len(asked) <= 9 + 4


def test_a_streams_fault_reaches_the_one_who_reads_it():
    with loader(data_of(DotRecording(faulty=True)), workers=2) as maker:
        stream = maker.stream([BatchRequest(groups=[Group(0, 0, 0)])])
        with pytest.raises(OSError, match="disk is gone"):
            next(stream)
        with pytest.raises(OSError, match="disk is gone"):
            maker.batch([Group(0, 0, 0), Group(0, 0, 1)])


def test_closing_ends_the_threads():
    with loader(workers=3) as maker:
        maker.batch(tuple(maker.data.labelled))
        assert any("trilabel-batch" in thread.name for thread in threading.enumerate())
    assert not any("trilabel-batch" in thread.name for thread in threading.enumerate())
    assert 1 <= default_workers() <= 8


def test_an_epoch_takes_every_group_once():
    steps = [sampled(10, 4, step, 7) for step in range(5)]  # two epochs
    taken = np.concatenate(steps)
    assert sorted(taken[:10]) == list(range(10))
    assert sorted(taken[10:]) == list(range(10))
    assert list(taken[:10]) != list(taken[10:])


def test_what_a_step_takes_depends_on_the_step_and_the_seed_alone():
    assert np.array_equal(sampled(50, 8, 3, 1), sampled(50, 8, 3, 1))
    assert not np.array_equal(sampled(50, 8, 3, 1), sampled(50, 8, 3, 2))
    assert len(sampled(0, 8, 3, 1)) == 0
    assert len(sampled(5, 0, 3, 1)) == 0
    assert np.bincount(sampled(3, 8, 0, 1), minlength=3).min() >= 2
