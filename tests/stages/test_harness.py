"""lm-evaluation-harness: the command that is run, and the JSON that version 0.4.13 writes, cut down."""

import json
import sys

import pytest

from cityfolk.errors import EngineError, UsageError
from cityfolk.stages.harness import command, read_results, run, score_findings

# What 0.4.13 wrote for a task of four questions of its own, less what is not read.
WRITTEN = {
    "results": {
        "tiny_local": {
            "name": "tiny_local",
            "alias": "tiny_local",
            "sample_len": 4,
            "acc,none": 0.5,
            "acc_stderr,none": 0.28867513459481287,
        }
    },
    "group_subtasks": {"tiny_local": []},
    "n-samples": {"tiny_local": {"original": 4, "effective": 4}},
}


def test_what_the_harness_writes_is_read_with_its_interval(tmp_path):
    folder = tmp_path / "some__model"
    folder.mkdir()
    (folder / "results_2026-11-23T11-04-37.612321.json").write_text(json.dumps(WRITTEN))
    (score,) = read_results(tmp_path)
    assert (score.task, score.metric, score.value, score.n) == ("tiny_local", "acc", 0.5, 4)
    (found,) = score_findings([score], "m@1", "untargeted")
    assert found.id == "control.cost.harness.tiny_local@lm_eval|m@1|untargeted"
    assert found.low == pytest.approx(0.5 - 1.6448536 * 0.2886751, abs=1e-5) and found.n == 4


def test_the_command_names_model_adapter_and_personality(tmp_path):
    made = command("hf:some/model+adapters/Diplomat", tmp_path, limit=5, system="Be kind.", python="python")
    assert made[:3] == ["python", "-m", "lm_eval"]
    assert "pretrained=some/model,peft=adapters/Diplomat" in made and "mmlu,gsm8k,truthfulqa_mc2" in made
    assert made[made.index("--limit") + 1] == "5" and made[made.index("--system_instruction") + 1] == "Be kind."
    served = command("openai:m@http://localhost:8000/v1", tmp_path, tasks=("gsm8k",))
    assert "model=m,base_url=http://localhost:8000/v1/chat/completions" in served
    with pytest.raises(UsageError, match="no probabilities for mmlu"):
        command("openai:m@http://localhost:8000/v1", tmp_path)
    with pytest.raises(UsageError, match="can't run pocket"):
        command("pocket", tmp_path)


def test_a_harness_that_is_not_there_or_fails_is_one_sentence(tmp_path):
    with pytest.raises(EngineError, match="is not installed") as missing:
        run([sys.executable, "-c", "raise SystemExit('No module named lm_eval')"], tmp_path)
    assert "pip install" in missing.value.hint
    with pytest.raises(EngineError, match="stopped: OfflineModeIsEnabled") as offline:
        run([sys.executable, "-c", "raise SystemExit('OfflineModeIsEnabled: no')"], tmp_path)
    assert "hub" in offline.value.hint
