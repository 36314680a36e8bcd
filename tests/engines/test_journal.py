"""The journal as a file: older ones, torn ones, full disks, what any SQLite tool shows, how much is written."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cityfolk.errors import StudyError
from cityfolk.study.journal import Call, Journal
from cityfolk.types import Reply
from tests.engines.stub import SCHEMA, asked

# The tables as version 0.1.0 made them.
OLD = """
CREATE TABLE shared (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, attempt INTEGER NOT NULL, stage TEXT NOT NULL, label TEXT NOT NULL,
    engine TEXT NOT NULL, model TEXT NOT NULL, finish TEXT NOT NULL, problem TEXT, reply TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, logprobs TEXT,
    error TEXT NOT NULL, guidance INTEGER REFERENCES shared, prompt TEXT NOT NULL, schema INTEGER REFERENCES shared,
    sampling TEXT NOT NULL, at REAL NOT NULL
);
INSERT INTO calls VALUES (NULL, 'abc123', 0, 's', 'n/1', 'echo', 'echo@1', 'stop', NULL, 'kept', 3, 4, 0.5, NULL, '',
                          NULL, '[["user", "1"]]', NULL, '[0.8, 1.0, 1024, 0, 0]', 1.0);
"""


def text(number, size=1500):
    """Return the reply that belongs to a number, and to no other."""
    return f"{number}:" + "".join(random.Random(number).choices("abcdefgh ", k=size))


def call(number, problem=None, **reply):
    (request,) = asked(1, first=number)
    return Call("s", "echo", request, Reply(**({"text": text(number), "model": "echo@1"} | reply)), problem)


def fill(path, numbers, group=10):
    """Append a call a number, a commit a group."""
    journal = Journal(path)
    numbers = list(numbers)
    for start in range(0, len(numbers), group):
        journal.append([call(n) for n in numbers[start : start + group]])
    journal.close()


def kept(path):
    """Return {key: text} of what the journal gives back."""
    journal = Journal(path)
    accepted, _ = journal.state("s")
    replies = {key: journal.reply(row).text for key, row in accepted.items()}
    journal.close()
    return replies


def expected(numbers):
    return {request.key: text(n) for n in numbers for request in asked(1, first=n)}


def test_a_reply_comes_back_as_it_went_in(tmp_path):
    journal = Journal(tmp_path / "calls.sqlite")
    reply = Reply(
        text="é\n{}",
        model="echo@1",
        prompt_tokens=7,
        completion_tokens=9,
        seconds=0.25,
        logprobs=(-0.5, -1.0),
        reasoning="Let me see.",
        faults=("429", "stalled"),
    )
    (row,) = journal.append([replace(call(1), reply=reply)])
    assert journal.reply(row) == reply
    assert journal.append([call(2), call(3)]) == [row + 1, row + 2]
    journal.close()


def test_groups_of_any_size_are_kept_in_their_order(tmp_path):
    journal = Journal(tmp_path / "calls.sqlite")
    numbers = iter(range(1000))
    done = 0
    for size in (1, 2, 3, 0, 31, 32, 33, 63, 100):
        group = [call(next(numbers)) for _ in range(size)]
        assert journal.append(group) == list(range(done + 1, done + 1 + size))
        done += size
    accepted, _ = journal.state("s")
    assert accepted == {call(n).request.key: n + 1 for n in range(done)}
    assert all(journal.reply(n + 1) == call(n).reply for n in range(done))
    journal.close()


def test_what_a_stage_has(tmp_path):
    journal = Journal(tmp_path / "calls.sqlite")
    bad, good = call(1, problem="not JSON"), call(2)
    second = replace(bad, request=replace(bad.request, attempt=1))
    journal.append([bad, good, second])
    accepted, attempts = journal.state("s")
    assert accepted == {good.request.key: 2} and attempts == {bad.request.key: 2}
    assert journal.settled("s") == ({int(k, 16): v for k, v in accepted.items()}, {int(bad.request.key, 16): 2})
    journal.append([replace(bad, request=replace(bad.request, attempt=2), problem=None)])
    assert journal.settled("s")[1] == {} == journal.state("s")[1]
    journal.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_journal_of_version_0_1_opens(tmp_path, read_only):
    path = tmp_path / "calls.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(OLD)
    journal = Journal(path, read_only=read_only)
    accepted, _ = journal.state("s")
    reply = journal.reply(accepted["abc123"])
    assert (reply.text, reply.reasoning, reply.faults) == ("kept", "", ())
    if not read_only:
        journal.append([call(1, reasoning="hm")])
        assert journal.reply(2).reasoning == "hm"
    journal.close()


def test_any_tool_shows_at_once_what_happened(tmp_path):
    path = tmp_path / "calls.sqlite"
    journal = Journal(path)
    journal.append([call(1, faults=("429", "500")), call(2, problem="not JSON", text="Well")])
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:  # while the job still runs
        db.row_factory = sqlite3.Row
        first, second = db.execute("SELECT * FROM readable ORDER BY id")
        assert (first["outcome"], first["faults"], first["label"]) == ("accepted", "429, 500", "person 1")
        assert (second["outcome"], second["problem"], second["reply"]) == ("rejected", "not JSON", "Well")
        assert (
            first["schema"] == SCHEMA and "You write the life" in first["guidance"] and "citizen 1" in first["prompt"]
        )
        assert db.execute("SELECT calls, rejected FROM summary").fetchone()[:] == (2, 1)
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    journal.close()


CRASH = """
import os, sys
from pathlib import Path
from cityfolk.study.journal import Journal
from tests.engines.test_journal import call

journal = Journal(Path(sys.argv[1]))
for start in range(0, 200, 10):
    journal.append([call(n) for n in range(start, start + 10)])
os._exit(0)  # as a kill does: the log is left as it is
"""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """Return a folder with the journal of a killed process: 20 commits of ten, most of them in the log."""
    folder = tmp_path_factory.mktemp("crashed")
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", CRASH, folder / "calls.sqlite"], check=True, cwd=root, env=env)
    assert (folder / "calls.sqlite-wal").stat().st_size > 100_000
    return folder


def copy(crashed, folder):
    shutil.copytree(crashed, folder, dirs_exist_ok=True)
    return folder / "calls.sqlite", folder / "calls.sqlite-wal"


def test_a_killed_process_leaves_every_commit(crashed, tmp_path):
    path, _ = copy(crashed, tmp_path)
    assert kept(path) == expected(range(200))


@pytest.mark.parametrize("harm", ["cut", "zeros", "noise"])
@pytest.mark.parametrize("bytes_lost", [1, 700, 4096, 5000])
def test_a_torn_end_of_the_log_costs_the_last_commit_and_nothing_before_it(crashed, tmp_path, harm, bytes_lost):
    path, log = copy(crashed, tmp_path)
    # Of a commit that has not reached the disk whole; the file may be longer than what the log holds.
    data = log.read_bytes().rstrip(b"\0")
    with log.open("r+b") as file:
        if harm == "cut":
            file.truncate(len(data) - bytes_lost)
        else:
            file.seek(len(data) - bytes_lost)
            file.write(bytes(bytes_lost) if harm == "zeros" else random.Random(1).randbytes(bytes_lost))
    replies = kept(path)
    assert expected(range(190)).items() <= replies.items() <= expected(range(200)).items()
    # ... and the job goes on from there.
    lost = [n for n in range(190, 200) if asked(1, first=n)[0].key not in replies]
    fill(path, [*lost, *range(200, 230)])
    assert kept(path) == expected(range(230))


@pytest.mark.parametrize("bytes_lost", [1, 700, 4096, 5000])
def test_a_torn_end_of_the_main_file_is_said_and_not_taken_for_the_truth(tmp_path, bytes_lost):
    path = tmp_path / "calls.sqlite"
    fill(path, range(200))
    os.truncate(path, path.stat().st_size - bytes_lost)
    before = path.read_bytes()
    with pytest.raises(StudyError, match="damaged: it ends before its last page") as caught:
        Journal(path)
    assert ".recover" in caught.value.hint and path.read_bytes() == before
    with pytest.raises(StudyError, match="damaged"):
        Journal(path, read_only=True)


def test_a_page_of_noise_is_said_or_without_effect(tmp_path):
    path = tmp_path / "calls.sqlite"
    fill(path, range(40))
    whole = path.read_bytes()
    for page in range(1, len(whole) // 4096, 2):
        path.write_bytes(whole[: page * 4096] + random.Random(page).randbytes(4096) + whole[(page + 1) * 4096 :])
        try:
            replies = kept(path)
        except StudyError as error:
            assert "damaged" in str(error)
            continue
        wrong = {key for key, reply in replies.items() if expected(range(40)).get(key) != reply}
        # A reply's own text can change unseen here; `ask` parses it again before it is used.
        assert len(wrong) <= 2


def test_what_is_no_journal_is_a_sentence(tmp_path):
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"PAR1" * 600)
    with pytest.raises(StudyError) as caught:
        Journal(path)
    assert caught.value.hint


def test_a_full_disk_keeps_every_commit_and_goes_on_when_there_is_room(tmp_path):
    path = tmp_path / "calls.sqlite"
    fill(path, range(50))
    journal = Journal(path)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 6}")  # SQLite's own "database or disk is full"
    done = 50
    with pytest.raises(StudyError, match="disk is full") as caught:
        while True:
            journal.append([call(n) for n in range(done, done + 2)])
            done += 2
    assert "every committed call is kept" in caught.value.hint
    journal._db.execute("PRAGMA max_page_count = 1000000")
    journal.append([call(n) for n in range(done, done + 5)])
    journal.close()
    assert kept(path) == expected(range(done + 5))


def test_bytes_written_grow_with_the_calls_and_no_faster(tmp_path):
    def written(n):
        before = io_written()
        fill(tmp_path / f"{n}.sqlite", range(n), group=50)
        return io_written() - before, (tmp_path / f"{n}.sqlite").stat().st_size

    few, few_size = written(300)
    many, many_size = written(2400)
    assert many / few == pytest.approx(8, rel=0.25)
    assert many < 3 * many_size and few < 4 * few_size  # once to the log, once to the file


def io_written():
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])
