"""Weights say what they were trained for, and what they cannot do is refused before anything is asked or made."""

import json
import shutil

import pytest

from cityfolk.engines.pocket import PocketEngine
from cityfolk.errors import EngineError, UsageError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.stages import QuestionOptions, ask_for_questions
from cityfolk.stages.engines import require_task
from cityfolk.study.folder import Study


@pytest.fixture
def weights(tmp_path):
    def make(**more):
        folder = tmp_path / "weights"
        shutil.copytree(weights_folder(), folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text()) | more
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


def test_weights_do_what_they_say_and_lives_where_they_say_nothing(weights):
    require_task([PocketEngine(str(weights()))], "lives")
    able = PocketEngine(str(weights(cityfolk_tasks=["lives", "questions", "answers"])))
    for task in ("lives", "questions", "answers"):
        require_task([able], task)


def test_a_task_that_was_not_learned_is_refused_and_nothing_is_made(weights, tmp_path):
    engine = f"pocket:{weights(cityfolk_tasks=['lives'])}"
    with Study.open(tmp_path / "study", create=True) as study:
        with pytest.raises(UsageError, match="not trained for questions, only for lives"):
            ask_for_questions(study, QuestionOptions(n=1, topics=1, engine=engine))
        assert not study.has("questions") and "questions" not in study.manifest["stages"]
    assert not (tmp_path / "study").exists()


def test_other_engines_are_not_asked():
    require_task([object()], "answers")


def test_a_damaged_config_is_said(weights):
    folder = weights()
    (folder / "config.json").write_text("{")
    with pytest.raises(EngineError, match="cannot be read"):
        _ = PocketEngine(str(folder)).tasks
