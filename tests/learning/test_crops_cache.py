import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.learning.cache import CropCache
from core.learning.shards import Shard

H, W = 20, 10
LIMIT = 1 << 20
WRITER = """
import sys
from pathlib import Path
import numpy as np
from core.learning.cache import CropCache
cache = CropCache(Path(sys.argv[1]), 20, 10, 1 << 20)
for n in range(100000):
    key = n.to_bytes(16, "little")
    cache.put(key, np.full((20, 10, 3), n % 251, np.uint8))
    print(n, flush=True)
"""


SHARER = """
import random, sys, time
from pathlib import Path
import numpy as np
from core.learning import cache as module
module._LOOK_AGAIN_S, module._ASK_AGAIN_S = 0.05, 0.1
numbers, end = random.Random(int(sys.argv[2])), time.monotonic() + float(sys.argv[3])
hits = 0
while time.monotonic() < end:
    cache = module.CropCache(Path(sys.argv[1]), 20, 10, 1 << 20)
    for _ in range(300):
        number = numbers.randrange(6000)
        key = number.to_bytes(16, "little")
        crop = np.random.default_rng(number).integers(0, 255, (20, 10, 3), dtype=np.uint8)
        found = cache.get(key)
        if found is None:
            cache.put(key, crop)
        else:
            hits += 1
            assert np.array_equal(found, crop)
    assert not cache.problem, cache.problem
    cache.close()
print(hits)
"""


def crop(number: int) -> np.ndarray:
    return np.full((H, W, 3), number % 251, np.uint8)


def key(number: int) -> bytes:
    return number.to_bytes(16, "little")


def open_cache(folder: Path, limit: int = LIMIT) -> CropCache:
    return CropCache(folder, H, W, limit)


def used_bytes(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.crops"):
        with contextlib.suppress(FileNotFoundError):  # deleted by another process just now
            total += path.stat().st_size
    return total


def fill(cache: CropCache, start: int = 0) -> int:
    """Put crops until no more are taken; their number."""
    number = start
    while cache.put(key(number), crop(number)):
        number += 1
    return number - start


def test_a_crop_is_found_again_now_and_after_reopening(tmp_path):
    cache = open_cache(tmp_path)
    assert cache.put(key(1), crop(7))
    assert np.array_equal(cache.get(key(1)), crop(7))
    assert cache.get(key(2)) is None
    cache.close()
    again = open_cache(tmp_path)
    assert np.array_equal(again.get(key(1)), crop(7))
    again.close()


def test_sizes_share_a_folder_without_being_mixed_up(tmp_path):
    cache, other = open_cache(tmp_path), CropCache(tmp_path, 8, 8, LIMIT)
    cache.put(key(1), crop(1))
    other.put(key(1), np.full((8, 8, 3), 9, np.uint8))
    cache.close()
    other.close()
    again = CropCache(tmp_path, 8, 8, LIMIT)
    assert again.get(key(1)).shape == (8, 8, 3)
    assert len(again) == 1
    again.close()


def test_what_one_process_adds_another_finds(tmp_path, monkeypatch):
    monkeypatch.setattr("core.learning.cache._LOOK_AGAIN_S", 0.0)
    first, second = open_cache(tmp_path), open_cache(tmp_path)
    first.put(key(1), crop(1))
    assert np.array_equal(second.get(key(1)), crop(1))
    first.put(key(2), crop(2))  # into a shard that the second has open already
    assert np.array_equal(second.get(key(2)), crop(2))
    first.close()
    second.close()


def test_a_damaged_crop_is_forgotten_by_all_and_can_be_made_again(tmp_path):
    cache = open_cache(tmp_path)
    for number in range(3):
        cache.put(key(number), crop(number))
    cache.close()
    (path,) = tmp_path.glob("*.crops")
    data = bytearray(path.read_bytes())
    data[data.index(crop(1).tobytes()) + 5] ^= 0xFF
    path.write_bytes(data)
    cache = open_cache(tmp_path)
    assert cache.get(key(1)) is None
    assert cache.put(key(1), crop(1))
    assert np.array_equal(cache.get(key(1)), crop(1))
    cache.close()
    again = open_cache(tmp_path)
    assert [np.array_equal(again.get(key(n)), crop(n)) for n in range(3)] == [True] * 3
    again.close()


def test_a_shard_cut_short_loses_only_what_is_gone(tmp_path):
    cache = open_cache(tmp_path)
    for number in range(4):
        cache.put(key(number), crop(number))
    cache.close()
    (path,) = tmp_path.glob("*.crops")
    cache = open_cache(tmp_path)
    os.truncate(path, path.stat().st_size - 2 * H * W * 3 + 1)  # while it is open
    found = [cache.get(key(number)) is not None for number in range(4)]
    assert found == [True, True, False, False]
    cache.close()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"TLCROPS1" + bytes(100)])
def test_a_file_that_is_no_shard_is_passed_over(tmp_path, content):
    (tmp_path / f"{H}x{W}-0-0-0.crops").write_bytes(content)
    cache = open_cache(tmp_path)
    assert len(cache) == 0
    assert cache.put(key(1), crop(1))
    cache.close()


def test_the_folder_never_exceeds_its_bound_and_what_is_kept_stays(tmp_path):
    cache = open_cache(tmp_path)
    kept = fill(cache)
    assert kept > 0.8 * LIMIT / (H * W * 3)
    assert used_bytes(tmp_path) <= LIMIT
    assert cache.full
    assert not cache.problem
    assert all(np.array_equal(cache.get(key(n)), crop(n)) for n in range(kept))
    cache.close()


def test_a_full_folder_makes_room_by_what_no_living_process_uses(tmp_path):
    cache = open_cache(tmp_path)
    kept = fill(cache)
    cache.close()
    later = open_cache(tmp_path)
    assert later.get(key(0)) is not None  # so the shard of 0 is in use
    assert fill(later, 10**6) > 0.5 * kept
    assert used_bytes(tmp_path) <= LIMIT
    assert later.get(key(0)) is not None
    later.close()
    last = open_cache(tmp_path)
    assert last.get(key(0)) is not None
    assert last.get(key(kept - 1)) is None
    last.close()


def test_what_another_living_process_has_made_is_not_deleted(tmp_path):
    first = open_cache(tmp_path)
    kept = fill(first)
    second = open_cache(tmp_path)
    assert fill(second, 10**6) == 0
    assert first.get(key(kept - 1)) is not None
    first.close()
    second.close()


def test_a_bound_smaller_than_a_crop_keeps_nothing(tmp_path):
    cache = open_cache(tmp_path, 100)
    assert not cache.put(key(1), crop(1))
    assert cache.get(key(1)) is None
    cache.close()


def test_closing_gives_back_what_was_reserved(tmp_path):
    cache = open_cache(tmp_path, 64 << 20)
    cache.put(key(1), crop(1))
    assert used_bytes(tmp_path) > 1 << 20
    cache.close()
    assert used_bytes(tmp_path) < 1 << 20
    assert not list(tmp_path.glob(".session-*"))


def test_threads_may_put_and_get_at_once(tmp_path):
    cache = open_cache(tmp_path, 16 << 20)
    wrong: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 300):
            cache.put(key(number), crop(number))
            found = cache.get(key(number))
            if found is None or not np.array_equal(found, crop(number)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(100 * k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(cache) == 800
    cache.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_leaves_every_crop_it_told_of_and_no_claim(tmp_path):
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as writer:
        told = 0
        while told < 200:
            told = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        told = max([told, *map(int, writer.stdout.read().split())])
    cache = open_cache(tmp_path)
    for number in range(told + 1):
        found = cache.get(key(number))
        assert found is not None
        assert np.array_equal(found, crop(number))
    fill(cache, 10**6)
    assert used_bytes(tmp_path) <= LIMIT
    assert len(list(tmp_path.glob(".session-*"))) <= 1
    cache.close()


def sharer(folder: Path, seed: int, seconds: float) -> subprocess.Popen:
    root = Path(__file__).resolve().parents[2]
    told = [sys.executable, "-c", SHARER, str(folder), str(seed), str(seconds)]
    return subprocess.Popen(told, stdout=subprocess.PIPE, text=True, cwd=root)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_processes_share_a_folder_too_small_for_them_while_others_are_killed(tmp_path):
    """Never a wrong crop, never more bytes than allowed, and nobody is stopped."""
    sharing = [sharer(tmp_path, seed, 15) for seed in range(3)]
    wait = np.random.default_rng(0)
    largest = 0
    for seed in range(8):
        victim = sharer(tmp_path, 100 + seed, 60)
        time.sleep(wait.uniform(0.6, 1.6))
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
        largest = max(largest, used_bytes(tmp_path))
    hits = [int(process.communicate()[0]) for process in sharing]
    assert all(process.returncode == 0 for process in sharing)
    assert min(hits) > 100
    assert 0 < largest <= LIMIT


def test_a_record_without_its_crop_is_not_believed(tmp_path):
    """The crop is written first; but a disk may lose what it took before a power cut."""
    shard = Shard.create(tmp_path / "20x10-1-a-00000.crops", H, W, 8)
    shard.write(key(1), 0, crop(1).tobytes())
    shard._write(bytes(H * W * 3), shard._place(0))  # noqa: SLF001  (what a power cut does)
    cache = open_cache(tmp_path)
    assert cache.get(key(1)) is None
    cache.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="crop cache"):
        open_cache(tmp_path / "file" / "cache")


def test_a_folder_that_goes_away_stops_the_keeping_and_says_so(tmp_path):
    cache = open_cache(tmp_path / "cache")
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("")
    assert not cache.put(key(1), crop(1))
    assert "takes no more" in cache.problem
    assert cache.full
    cache.close()
