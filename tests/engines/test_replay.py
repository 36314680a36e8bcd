"""What was recorded is answered again word for word; what was not is an error."""

import json

import pytest

from cityfolk.engines.ask import ask
from cityfolk.engines.registry import load_engine
from cityfolk.engines.replay import Record, Replay
from cityfolk.errors import EngineError, StudyError, UsageError
from cityfolk.study.journal import Journal
from tests.engines.test_wrappers import requests
from tests.fakes import BadFirst, Echo


def recorded(folder, inner, asked):
    engine = Record(inner, folder)
    pairs = dict(engine.generate(asked))
    engine.close()
    return pairs


def test_a_recording_answers_offline_under_the_same_name(tmp_path):
    asked = requests(30)
    before = recorded(tmp_path / "r", Echo(), asked)
    engine = load_engine(f"replay:{tmp_path / 'r'}")
    assert (engine.name, engine.model) == ("echo", "echo@1")
    assert dict(engine.generate(reversed(asked))) == before
    engine.close()


def test_bad_replies_are_replayed_with_their_attempts(tmp_path):
    """A job with retries, answered from the recording, settles the same way."""

    def job(name, engine):
        journal = Journal(tmp_path / f"{name}.sqlite")
        parse = lambda _, reply: int(reply.text)  # noqa: E731
        settled = {request.key: result for request, result in ask(journal, engine, requests(40), parse, stage="t")}
        journal.close()
        return settled

    engine = Record(BadFirst(bad=2, every=3), tmp_path / "r")
    first = job("first", engine)
    engine.close()
    assert job("second", Replay(tmp_path / "r")) == first


def test_what_was_not_recorded_is_said(tmp_path):
    recorded(tmp_path / "r", Echo(), requests(3))
    with pytest.raises(EngineError, match="did not record this request") as caught:
        list(Replay(tmp_path / "r").generate(requests(4)))
    assert "only what was asked there" in caught.value.hint
    with pytest.raises(EngineError, match="attempt 2"):
        list(Replay(tmp_path / "r").generate(requests(3, attempt=1)))


def test_folders_that_cannot_be_replayed(tmp_path):
    with pytest.raises(UsageError, match="no recorded study"):
        load_engine(f"replay:{tmp_path}")
    with pytest.raises(UsageError, match="needs the folder"):
        load_engine("replay")
    recorded(tmp_path / "r", Echo(), requests(1))
    with pytest.raises(UsageError, match="number 1 is none of them"):
        load_engine(f"replay:{tmp_path / 'r'}?engine=1")
    (tmp_path / "r" / "recording.json").write_text(json.dumps({"engines": [{}]}))
    with pytest.raises(StudyError, match="does not say which engine"):
        load_engine(f"replay:{tmp_path / 'r'}")
