"""The reference is computed once for what is used, found again by content, and computed again where it was damaged."""

import sqlite3

import numpy as np
import pytest

from cityfolk.errors import StudyError
from cityfolk.training.packing import pack
from cityfolk.training.reference import References
from cityfolk.training.tokens import Triple
from tests.training.models import triples

LENGTHS = ((5, 3, 4), (2, 6, 1), (7, 2, 0), (1, 1, 1))


class Scorer:
    """Says minus the token for every token, and counts what it was asked."""

    def __init__(self):
        self.pairs = 0

    def __call__(self, row):
        self.pairs += len(row.places)
        return -row.targets.astype(np.float32)


def filled(path, batch, *, model="pocket@1", dtype="float32", budget=20):
    kept, scorer = References(path, model=model, dtype=dtype), Scorer()
    count = kept.fill(batch, scorer, budget=budget)
    assert count == scorer.pairs
    for triple in batch:
        for numbers, answer in zip(kept.of(triple), triple.answers, strict=True):
            assert numbers.tolist() == (-answer).tolist()
    kept.close()
    return count, kept.notices


def test_computed_once_and_found_by_content(tmp_path):
    path, batch = tmp_path / "deep" / "reference.sqlite", triples(*LENGTHS)
    assert filled(path, batch) == (4, [])
    assert filled(path, batch[::-1]) == (0, [])
    renamed = Triple(name="new", prompt=batch[0].prompt, chosen=batch[0].rejected, rejected=batch[0].chosen)
    assert filled(path, [renamed]) == (0, [])  # the same answers the other way round
    longer = Triple(name="p", prompt=batch[0].prompt, chosen=batch[0].chosen, rejected=np.append(batch[0].rejected, 3))
    assert filled(path, [longer]) == (1, [])


def test_what_determines_the_numbers_is_in_the_key(tmp_path):
    path, batch = tmp_path / "r", triples(*LENGTHS)
    filled(path, batch)
    assert filled(path, batch, model="pocket@2") == (4, [])
    assert filled(path, batch, dtype="bfloat16") == (4, [])
    other = [Triple(name=t.name, prompt=t.prompt[::-1] + 1, chosen=t.chosen, rejected=t.rejected) for t in batch]
    assert filled(path, other) == (4, [])
    # A token that moves from prompt to answer is another answer.
    moved = Triple(name="m", prompt=batch[0].prompt[:-1], chosen=np.append(batch[0].prompt[-1:], batch[0].chosen))
    assert filled(path, [moved]) == (1, [])


def test_a_pair_that_comes_twice_is_computed_once(tmp_path):
    [one] = triples((5, 3, 4))
    assert filled(tmp_path / "r", [one, one]) == (1, [])
    tie = Triple(name="tie", prompt=one.prompt, chosen=one.chosen, rejected=one.chosen)
    assert filled(tmp_path / "s", [tie]) == (1, [])


def test_rows_get_their_numbers_in_their_order(tmp_path):
    batch = triples(*LENGTHS)
    kept = References(tmp_path / "r", model="m", dtype="float32")
    kept.fill(batch, Scorer(), budget=20)
    for row in pack(batch, budget=20):
        assert kept.of_row(row, batch).tolist() == (-row.targets).tolist()


def test_a_run_that_dies_keeps_the_rows_it_had(tmp_path):
    batch = triples(*[(4, 3, 3)] * 6)
    said = []

    def dies(row):
        if len(said) == 2:
            raise KeyboardInterrupt
        return -row.targets.astype(np.float32)

    kept = References(tmp_path / "r", model="pocket@1", dtype="float32")
    with pytest.raises(KeyboardInterrupt):
        kept.fill(batch, dies, budget=8, progress=lambda done, total: said.append((done, total)))
    assert said == [(1, 6), (2, 6)]
    kept.close()
    assert filled(tmp_path / "r", batch, budget=8) == (4, [])


def test_a_damaged_answer_is_computed_again_and_said(tmp_path):
    path, batch = tmp_path / "r", triples(*LENGTHS)
    filled(path, batch)
    with sqlite3.connect(path) as db:
        [(key, blob)] = db.execute("SELECT key, logprobs FROM answers LIMIT 1").fetchall()
        db.execute("UPDATE answers SET logprobs = ? WHERE key = ?", (bytes([blob[0] ^ 1]) + blob[1:], key))
    db.close()
    count, [notice] = filled(path, batch)
    assert count == 1 and "computed again" in notice
    assert filled(path, batch) == (0, [])


@pytest.mark.parametrize("damage", ["no database", "cut", "garbled"])
def test_a_damaged_file_is_begun_anew_and_said(tmp_path, damage):
    path, batch = tmp_path / "r", triples(*[(30, 40, 40)] * 40)
    filled(path, batch, budget=200)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "no database": b"not a database, but long enough to be taken for one" * 100,
            "cut": whole[: len(whole) // 2],
            "garbled": whole[:4096] + bytes(byte ^ 0x5A for byte in whole[4096:]),
        }[damage]
    )
    count, notices = filled(path, batch, budget=200)
    assert count > 0 and any("damaged" in notice for notice in notices)
    assert filled(path, batch, budget=200) == (0, [])


def test_what_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "r").mkdir()  # a folder in the file's place: not even root can write there
    with pytest.raises(StudyError, match="could not be written or read: unable to open"):
        References(tmp_path / "r", model="m", dtype="float32")
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="could not be written"):
        References(tmp_path / "file" / "r", model="m", dtype="float32")


def test_a_full_disk_is_no_damage(tmp_path):
    """Nothing is thrown away, and it is said; SQLite's own limit of pages stands for the disk."""
    path, batch = tmp_path / "r", triples(*[(30, 40, 40)] * 20)
    filled(path, batch[:2], budget=200)
    kept = References(path, model="pocket@1", dtype="float32")
    kept._db.execute("PRAGMA max_page_count = 4")
    with pytest.raises(StudyError, match="full"):
        kept.fill(batch, Scorer(), budget=200)
    kept.close()
    count, notices = filled(path, batch, budget=200)
    assert 0 < count <= 18 and not notices
