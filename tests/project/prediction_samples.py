"""Made-up predictions of any size: values that can be told apart, not poses."""

import numpy as np

from core.project.predictions import PredictionBlock, PredictionRows, RoundHeader


def header(round_number=1, *, num_blocks=1, cameras=4, joints=5, single=True, **changes):
    values = {
        "run": "run-1",
        "round": round_number,
        "num_blocks": num_blocks,
        "scope": "all",
        "stage": "finetune",
        "step": 100 * round_number,
        "key": f"key-{round_number}",
        "cameras": tuple(f"cam_{c}" for c in range(cameras)),
        "joints": tuple(f"joint_{j}" for j in range(joints)),
        "has_single": single,
        "settings": {"weighting": "consensus", "scale_mm": 14.0, "discard": None},
        "config_hash": "abc",
        "provenance": "a test",
    }
    return RoundHeader(**{**values, **changes})


def block(frames, persons=(3, 7), *, about, seed=0, recording=0):
    """People at frames; every third frame has nobody, and some views are empty."""
    rng = np.random.default_rng(seed)
    frames = sorted(frames)
    keys = [(f, p) for f in frames if f % 3 != 2 for p in sorted(persons)]
    num, cams, joints = len(keys), len(about.cameras), len(about.joints)

    def values(*axes):
        return rng.normal(500, 200, (num, *axes)).astype(np.float32)

    points_px = values(cams, joints, 2)
    points_px[rng.random((num, cams)) < 0.3] = np.nan
    rows = PredictionRows(
        recordings=np.full(num, recording),
        frames=np.array([f for f, _ in keys], dtype=np.int64),
        persons=np.array([p for _, p in keys], dtype=np.int64),
        points_px=points_px,
        confidence=rng.random((num, cams, joints), dtype=np.float32),
        points_mm=values(joints, 3),
        weights=rng.random((num, cams, joints), dtype=np.float32),
        wss_mm=values(joints),
        kept=rng.random((num, joints)) < 0.8,
        deviation_mm=values(joints),
        single_mm=values(cams, joints, 3) if about.has_single else None,
        root_depth_mm=values(cams) if about.has_single else None,
        worst_residual_px=values(),
        kept_share=rng.random(num, dtype=np.float32),
        mean_weight=rng.random(num, dtype=np.float32),
        num_views=np.isfinite(points_px[..., 0, 0]).sum(axis=1).astype(np.int16),
    )
    moments = np.array([(recording, f) for f in frames], dtype=np.int64)
    return PredictionBlock(moments=moments, rows=rows)


def assert_equal_rows(found, expected):
    for name in PredictionRows.__dataclass_fields__:
        one, other = getattr(found, name), getattr(expected, name)
        if other is None:
            assert one is None
        else:
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, err_msg=name)
