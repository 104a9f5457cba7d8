"""The summary of a recording, its file, and the sample that the noise scale comes from."""

import threading
from dataclasses import replace
from hashlib import sha1

import h5py
import numpy as np
import pytest

from core.diagnosis import (
    diagnose_frame,
    estimate_recording_scale_mm,
    load_or_summarise,
    load_summary,
    save_summary,
    summarise,
)
from core.diagnosis.source import sample_observations
from core.errors import DataError
from core.observations import Source
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import ArraySource, frame_of, observed, people
from tests.geometry.camera_rigs import court_rig

RIG = court_rig(5)
SETTINGS = TriangulationSettings(scale_mm=12.0)


def recording(num_frames=250, noise_px=2.0, missing=0.2) -> ArraySource:
    points = observed(RIG, people(num_frames, 3), noise_px, missing)
    points[:100, 1] = np.nan
    points[7, :] = np.nan
    rng = np.random.default_rng(5)
    wrong = rng.random(points.shape[:-1]) < 0.1
    points[wrong] += rng.normal(0, 60, (int(wrong.sum()), 2))
    return ArraySource(RIG, points, (2, 5, 9), hand=((3, 0), (200, 1)))


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, TriangulationSettings(weighting="pairwise", sigma_mm=60, wss_threshold_mm=100)],
)
def test_a_summary_is_the_sum_of_its_frames(settings):
    source = recording()
    summary = summarise(source, settings)
    assert summary is not None
    assert summary.persons == (2, 5, 9)
    assert summary.num_frames == 250
    kept, seen = np.zeros((3, 13)), np.zeros((3, 13))
    weights, counts, support = np.zeros(5), np.zeros(5), np.zeros(5)
    wss = []
    for frame in range(250):
        seen_there = frame_of(source.points_px[frame])
        for row in [row for at, row in source.hand if at == frame]:
            seen_there.source[row] = Source.HAND
        diagnosis = diagnose_frame(seen_there, RIG, settings)
        there = diagnosis.observed.any(axis=1)
        good = diagnosis.triangulation.kept & there
        kept, seen = kept + good, seen + there
        counts += diagnosis.observed.sum(axis=(0, 2))
        weight = np.where(diagnosis.observed, diagnosis.triangulation.weights, 0)
        weights += weight.sum(axis=(0, 2))
        support += (weight > 0.05).sum(axis=(0, 2))
        found = diagnosis.triangulation.wss_mm[there]
        wss.extend(found[np.isfinite(found)])
        for row in range(3):
            share = summary.share_discarded[frame, row]
            if not there[row].any():
                assert np.isnan(share)
                assert np.isnan(summary.worst_residual_px[frame, row])
                continue
            assert share == pytest.approx(1 - good[row].sum() / there[row].sum(), abs=1e-6)
            worst = np.nanmax(diagnosis.loo_residual_px[row])
            assert summary.worst_residual_px[frame, row] == pytest.approx(worst, rel=1e-5)
    assert summary.num_joints == seen.sum()
    assert summary.num_kept == kept.sum()
    assert summary.kept_share == pytest.approx(kept.sum() / seen.sum())
    assert 0.3 < summary.kept_share < 1
    np.testing.assert_allclose(summary.kept_by_joint, kept.sum(0) / seen.sum(0))
    np.testing.assert_allclose(summary.kept_by_person, kept.sum(1) / seen.sum(1))
    np.testing.assert_allclose(summary.weight_by_camera, weights / counts)
    np.testing.assert_allclose(summary.support_by_camera, support / counts)
    np.testing.assert_array_equal(summary.observations_by_camera, counts)
    assert summary.wss_counts.sum() == len(wss)
    assert summary.median_wss_mm == pytest.approx(np.median(wss), rel=0.1)
    expected = np.histogram(np.clip(wss, 0.1, 1e4), summary.wss_edges_mm)[0]
    assert np.abs(summary.wss_counts - expected).sum() <= 2


def test_hand_labels_are_marked_by_frame_and_person():
    summary = summarise(recording(), SETTINGS)
    assert summary is not None
    np.testing.assert_array_equal(np.argwhere(summary.annotated), [[3, 0], [200, 1]])


def test_progress_counts_frames_and_may_stop_it():
    told = []

    def stop_halfway(done, total):
        told.append((done, total))
        return done < 150

    source = recording()
    assert summarise(source, SETTINGS, stop_halfway) is None
    assert told == [(stop, 250) for stop in range(24, 169, 24)]
    assert source.reads[-1] == (144, 168)


def test_a_summary_may_be_made_on_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(summarise(recording(), SETTINGS)))
    thread.start()
    thread.join()
    here = summarise(recording(), SETTINGS)
    assert here is not None
    np.testing.assert_array_equal(found[0].worst_residual_px, here.worst_residual_px)


def test_a_recording_where_nobody_is_seen_has_shares_of_nothing():
    source = ArraySource(RIG, np.full((30, 2, 5, 13, 2), np.nan), (1, 2))
    summary = summarise(source, TriangulationSettings())
    assert summary is not None
    assert summary.num_joints == 0
    assert np.isnan(summary.kept_share)
    assert np.isnan(summary.median_wss_mm)
    assert np.isnan(summary.weight_by_camera).all()
    assert np.isnan(summary.worst_residual_px).all()


def test_joints_that_scatter_little_or_wildly_are_counted_at_the_ends():
    exact = observed(RIG, people(10, 1))
    summary = summarise(ArraySource(RIG, exact, (0,)), SETTINGS)
    assert summary is not None
    assert summary.wss_counts[0] == summary.wss_counts.sum() == 130
    wild = exact + np.random.default_rng(0).normal(0, 4000, exact.shape)
    summary = summarise(ArraySource(RIG, wild, (0,)), SETTINGS)
    assert summary is not None
    assert summary.wss_counts[-1] > 0


def test_a_saved_summary_is_read_back_the_same(tmp_path):
    summary = summarise(recording(), SETTINGS)
    assert summary is not None
    path = tmp_path / "summary.h5"
    save_summary(summary, path)
    again = load_summary(path)
    for name in summary.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(summary, name))
        assert type(getattr(again, name)) is type(getattr(summary, name))
    assert [file.name for file in tmp_path.iterdir()] == ["summary.h5"]


@pytest.mark.parametrize("damage", ["cut", "text", "version", "missing"])
def test_a_damaged_summary_is_refused(tmp_path, damage):
    summary = summarise(recording(20), SETTINGS)
    assert summary is not None
    path = tmp_path / "summary.h5"
    save_summary(summary, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:700])
    elif damage == "text":
        path.write_text("hello")
    else:
        with h5py.File(path, "a") as file:
            if damage == "version":
                file.attrs["version"] = 99
            else:
                del file["wss_counts"]
    with pytest.raises(DataError, match=r"summary\.h5: expected a summary of a recording"):
        load_summary(path)


class CachedSource(ArraySource):
    """A recording with a place for caches."""

    data_key = "a"
    folder = None

    def cache_path(self, key, suffix=".h5"):
        return self.folder / (sha1(key.encode()).hexdigest() + suffix)


def test_a_summary_is_made_once_for_the_same_data_and_settings(tmp_path):
    source = recording(40)
    cached = CachedSource(RIG, source.points_px, source.persons)
    cached.folder = tmp_path
    first = load_or_summarise(cached, SETTINGS)
    reads = len(cached.reads)
    assert reads > 0
    second = load_or_summarise(cached, SETTINGS)
    assert len(cached.reads) == reads
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.worst_residual_px, second.worst_residual_px)
    load_or_summarise(cached, TriangulationSettings(scale_mm=13.0))
    assert len(cached.reads) > reads
    reads = len(cached.reads)
    cached.data_key = "b"
    load_or_summarise(cached, SETTINGS)
    assert len(cached.reads) > reads


def test_a_cache_that_cannot_be_read_is_made_again(tmp_path):
    source = recording(40)
    cached = CachedSource(RIG, source.points_px, source.persons)
    cached.folder = tmp_path
    load_or_summarise(cached, SETTINGS)
    (path,) = tmp_path.iterdir()
    path.write_text("hello")
    again = load_or_summarise(cached, SETTINGS)
    assert again is not None
    assert again.num_joints == load_summary(path).num_joints


def test_a_summary_that_was_stopped_leaves_nothing_behind(tmp_path):
    source = recording(40)
    cached = CachedSource(RIG, source.points_px, source.persons)
    cached.folder = tmp_path
    assert load_or_summarise(cached, SETTINGS, lambda _done, _total: False) is None
    assert list(tmp_path.iterdir()) == []


def test_the_noise_scale_of_a_recording_follows_its_noise():
    scales = [
        estimate_recording_scale_mm(ArraySource(RIG, observed(RIG, people(60, 3), n), (0, 1, 2)))
        for n in (1.0, 3.0)
    ]
    assert scales[1] == pytest.approx(3 * scales[0], rel=0.3)
    nobody = ArraySource(RIG, np.full((30, 2, 5, 13, 2), np.nan), (1, 2))
    assert estimate_recording_scale_mm(nobody) == 10


def test_a_sample_is_spread_over_the_recording_and_holds_the_labelled_frames():
    points = np.full((5000, 1, 5, 2, 2), np.nan)
    points[1234] = 100.0
    points[4000] = 100.0
    source = ArraySource(RIG, points, (7,), hand=((1234, 0),))
    sample = sample_observations(source, 50)
    assert 1234 in sample.frames
    assert (sample.persons == 7).all()
    assert sample.points_px.shape == (len(sample.frames), 5, 2, 2)
    points[:] = 50.0
    sample = sample_observations(ArraySource(RIG, points, (7,)), 50)
    assert len(sample.frames) == 50
    assert (sample.frames[0], sample.frames[-1]) == (0, 4999)
    assert np.diff(sample.frames).max() < 110


def test_a_sample_reads_neighbouring_frames_together_and_skips_gaps():
    points = np.full((100, 1, 5, 2, 2), 50.0)
    source = ArraySource(RIG, points, (7,))
    assert len(sample_observations(source, 100).frames) == 100
    assert len(source.reads) == 2
    source = ArraySource(RIG, np.full((5000, 1, 5, 2, 2), 50.0), (7,))
    sample_observations(source, 20)
    assert sum(stop - start for start, stop in source.reads) == 20


def test_a_summary_follows_an_edit_as_if_it_had_been_made_anew():
    source = recording(60)
    before = summarise(source, SETTINGS)
    assert before is not None
    kept = before.worst_residual_px.copy()
    source.points_px[11, 0, 2] += 40.0
    source.points_px[12, 0] = np.nan
    source.points_px[58, 1] = source.points_px[57, 0] + 3.0
    source.muted.append((30, 2, 1, 4))
    source.hand += ((11, 0),)
    after = before.with_frames(source, {11, 12, 58, 30, 99})
    again = summarise(source, SETTINGS)
    assert again is not None
    for name in after.__slots__:
        np.testing.assert_allclose(
            getattr(after, name), getattr(again, name), err_msg=name
        ) if name not in ("settings", "persons") else None
    np.testing.assert_array_equal(before.worst_residual_px, kept)


def test_a_summary_takes_in_a_person_who_came_with_an_edit():
    source = recording(40)
    alone = ArraySource(RIG, source.points_px[:, 1:], (5, 9))
    before = summarise(alone, SETTINGS)
    assert before is not None
    new = ArraySource(RIG, source.points_px.copy(), (2, 5, 9))
    new.points_px[:, 0][:33] = np.nan
    new.points_px[:, 0][34:] = np.nan
    after = before.with_frames(new, {33})
    again = summarise(new, SETTINGS)
    assert again is not None
    assert after.persons == (2, 5, 9)
    np.testing.assert_array_equal(after.worst_residual_px, again.worst_residual_px)
    np.testing.assert_array_equal(after.joint_counts, again.joint_counts)


def test_a_muted_observation_takes_no_part_in_a_summary():
    source = recording(10, missing=0.0)
    source.muted.append((4, 1, 0, 3))
    before = summarise(recording(10, missing=0.0), SETTINGS)
    after = summarise(source, SETTINGS)
    assert before is not None
    assert after is not None
    gone = before.observations_by_camera - after.observations_by_camera
    assert gone.tolist() == [int(np.isfinite(source.points_px[4, 1, 0, 3]).all()), 0, 0, 0, 0]


class Labelled(ArraySource):
    """A recording in which single observations are labels."""

    said: dict[tuple[int, int, int, int], Source]

    def observations_block(self, start, stop):
        block = super().observations_block(start, stop)
        for (frame, row, camera, joint), source in self.said.items():
            if start <= frame < stop:
                block.source[frame - start, row, camera, joint] = source
        return block


def test_a_summary_weighs_hand_labels_as_a_frame_does():
    points = observed(RIG, people(30, 2), 1.0)
    # A network that follows somebody else in three of five views; somebody has looked at two.
    points[4, 1, :3, 0] += 60.0
    source = Labelled(RIG, points, (2, 5))
    source.said = {(4, 1, camera, 0): Source.HAND for camera in (3, 4)}
    block = source.observations_block(4, 5)
    frame = replace(frame_of(points[4], persons=(2, 5)), source=block.source[0])
    diagnosis = diagnose_frame(frame, RIG, SETTINGS)
    summary = summarise(source, SETTINGS)
    worst = np.nanmax(diagnosis.loo_residual_px[1])
    assert summary.worst_residual_px[4, 1] == pytest.approx(worst, rel=1e-5)
    assert summary.kept[4, 1].tolist() == diagnosis.triangulation.kept[1].tolist()
    weights = np.where(diagnosis.observed, diagnosis.triangulation.weights, 0.0)
    np.testing.assert_allclose(summary.frame_cameras[4, 1], weights.sum(axis=(0, 2)))


def test_reprojected_labels_tell_nothing_about_the_noise_nor_the_calibration():
    points = observed(RIG, people(30, 2), 4.0)
    truth = observed(RIG, people(30, 2))
    source = Labelled(RIG, points.copy(), (2, 5))
    source.said = {}
    honest = estimate_recording_scale_mm(source)
    accepted = [
        (f, p, c, j) for f in range(30) for p in range(2) for c in (2, 3) for j in range(13)
    ]
    for key in accepted:
        source.points_px[key] = truth[key]
    source.said = dict.fromkeys(accepted, Source.REPROJECTED)
    sample = sample_observations(source, 400)
    assert np.isnan(sample.points_px[:, [2, 3]]).all()
    source.points_px[:, :, [2, 3]] = np.nan
    source.said = {}
    assert estimate_recording_scale_mm(source) > 0.5 * honest
