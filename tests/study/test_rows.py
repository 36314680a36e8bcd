"""A map of rows is a dict, told apart by nothing but its size."""

import random
import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.study import rows
from cityfolk.study.rows import Rows

# Few different halves, so that keys share one.
HALF = st.sampled_from([0, 1, 2, 2**63, 2**64 - 1])
KEY = st.tuples(HALF, HALF).map(lambda halves: halves[0] << 64 | halves[1])
ENTRIES = st.lists(st.tuples(KEY, st.integers(0, 2**40)), max_size=60)


@given(ENTRIES, ENTRIES, st.integers(1, 9))
def test_it_is_a_dict(first, later, recent):
    known, made = {}, Rows.first(*halves(first))
    for key, row in first:
        known.setdefault(key, row)
    before, rows._RECENT = rows._RECENT, recent
    try:
        for key, row in later:
            assert made.get(key) == known.get(key) and (key in made) == (key in known)
            known[key] = made[key] = row
    finally:
        rows._RECENT = before
    assert made == known and len(made) == len(known) and bool(made) == bool(known)
    assert sorted(made) == sorted(known)


def halves(entries):
    return (
        array("Q", [key >> 64 for key, _ in entries]),
        array("Q", [key & (2**64 - 1) for key, _ in entries]),
        array("q", [row for _, row in entries]),
    )


def test_a_hundred_thousand_keys_take_a_few_bytes_each():
    draw, made = random.Random(1), Rows()
    keys = [draw.getrandbits(128) for _ in range(100_000)]
    for row, key in enumerate(keys):
        made[key] = row
    assert all(made[key] == row for row, key in enumerate(keys))
    held = made._high.nbytes + made._low.nbytes + made._rows.nbytes
    assert held + 127 * len(made._recent) < 30 * len(keys) and len(made._recent) <= len(keys) / 24
    with pytest.raises(KeyError):
        made[keys[0] ^ 1]
    with pytest.raises(TypeError):
        del made[keys[0]]


def test_sorting_in_and_reading_back_hold_little_more_than_the_keys():
    draw, made = random.Random(2), Rows()
    for row in range(100_000):
        made[draw.getrandbits(128)] = row
    columns = halves([(draw.getrandbits(128), row) for row in range(100_000)])

    def peak(work):
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1] / 100_000
        finally:
            tracemalloc.stop()

    assert peak(made._sort_in) < 28  # the old columns, one by one, make room for these
    assert peak(lambda: Rows.first(*columns)) < 40  # beside the 24 that are handed over, and let go
    assert not any(columns)
