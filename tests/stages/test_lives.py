"""`write` where an engine refuses, stops or never answers: what is kept, what is listed, which error it is."""

import re
import shutil
from pathlib import Path

import pytest

from cityfolk.errors import EngineError, IncompleteError, StudyError
from cityfolk.stages import lives
from cityfolk.stages.people import make_people
from cityfolk.study.folder import Study
from cityfolk.types import Reply
from tests.stub_engines import Stub

PACK = Path(__file__).parents[1] / "packs" / "port_selene"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town") / "s"
    with Study.open(folder, create=True) as study:
        make_people(study, str(PACK), 1)
    return folder


class Refusing(Stub):
    """Refuses to write of some people; every call fails once it is dead."""

    def __init__(self):
        self.name, self.model = "refusing", "refusing@1"
        self.numbers, self.dead = [], False

    def generate(self, requests):
        for request in requests:
            if self.dead:
                raise EngineError("the key is refused", hint="another key")
            if self.refused(request):
                yield request.key, Reply(text="", model=self.model, finish="error", error="against the rules")
            else:
                yield request.key, Reply(text=self.text(request), model=self.model)

    def refused(self, request):
        return int(re.search(r"person (\d+)", request.label).group(1)) in self.numbers


def test_what_is_always_refused_stays_exit_6_and_listed(town, tmp_path, monkeypatch):
    shutil.copytree(town, tmp_path / "s")
    engine = Refusing()
    monkeypatch.setattr(lives, "load_engines", lambda specs, limits=None: [engine])
    with Study.open(tmp_path / "s") as opened:
        wanted = lives.WriteOptions(n=12, engines=("refusing",))
        _, chosen = lives.choose(opened, wanted)
        engine.numbers = [citizen.person.person_id for citizen in chosen[:2]]
        for _ in range(2):
            with pytest.raises(IncompleteError, match="2 of 12 profiles could not be written"):
                lives.write_lives(opened, wanted)
            assert len(opened.failures()) == 2
        engine.dead = True  # stops before it has tried them: they are still to be done
        with pytest.raises(IncompleteError, match="the key is refused; 10 of 12 profiles are kept"):
            lives.write_lives(opened, wanted)
        assert len(opened.failures()) == 2


def test_an_engine_that_never_answered_does_not_fix_the_study(town, tmp_path, monkeypatch):
    shutil.copytree(town, tmp_path / "s")
    dead, plain = Refusing(), Stub()
    dead.dead = True
    monkeypatch.setattr(lives, "load_engines", lambda specs, limits=None: [dead if specs == ("dead",) else plain])
    with Study.open(tmp_path / "s") as opened:
        with pytest.raises(EngineError, match="the key is refused"):
            lives.write_lives(opened, lives.WriteOptions(n=5, engines=("dead",)))
        lives.write_lives(opened, lives.WriteOptions(n=5, engines=("plain",)))
        assert opened.config("write")["model"] == "plain@1"
        with pytest.raises(StudyError, match="another config"):
            lives.write_lives(opened, lives.WriteOptions(n=5, engines=("dead",)))
