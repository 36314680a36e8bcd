"""`cityfolk judge` as a process: results on stdout, refusals in a sentence with a next step."""

import json
import subprocess
import sys

from tests.preferences.judging.cases import study


def judge(*args):
    command = [sys.executable, "-m", "cityfolk", "judge", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True)


def test_judge_prints_one_document(tmp_path):
    done = judge(study(tmp_path / "s", questions=2), "--judge", "lexicon", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["readings"] == {"lexicon": 16}


def test_kinds_of_work_are_not_mixed(tmp_path):
    for options, words in (
        (("--people", "anna", "--judge", "rater"), "three kinds of work"),
        (("--read", "x.csv"), "whose sheet"),
        (("--calibrate", "lexicon"), "somebody who knows"),
    ):
        done = judge(tmp_path, *options)
        assert done.returncode == 2 and words in done.stderr and "\n  try: " in done.stderr, done.stderr
