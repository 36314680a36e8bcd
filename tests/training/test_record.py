"""Training read back: what a kill leaves, what is no number, no path given away; the card that is made of it."""

import json
import re

import pytest

from cityfolk.errors import DataError
from cityfolk.training.card import card, duration, percentile, write_card
from cityfolk.training.events import Events
from cityfolk.training.record import read_training
from tests.training.runs import write_run


def test_a_line_cut_by_a_kill_and_steps_done_twice_do_not_count(tmp_path):
    folder = write_run(tmp_path / "diplomat", steps=40)
    events = folder / "training.jsonl"
    clean = read_training(folder)
    repeated = {"event": "held-out", "step": 20, "loss": 0.125, "margin": 1.0}
    events.write_text(events.read_text() + json.dumps(repeated) + "\n" + '{"event": "train", "st')
    read = read_training(folder)
    assert len(read.events) == len(clean.events)
    assert dict(read.series("held-out", "loss"))[20] == 0.125
    assert [step for step, _ in read.series("held-out", "loss")] == [0, 20, 40]
    lines = events.read_text().splitlines()
    events.write_text("\n".join([lines[0], "{ no", *lines[1:]]))
    with pytest.raises(DataError, match="line 2 of"):
        read_training(folder)


def test_a_torn_last_line_is_a_kill_and_any_other_bad_line_is_said_before_anything_is_dropped(tmp_path):
    path = tmp_path / "training.jsonl"
    events = Events(path)
    assert events.read() == []
    for step in (1, 2, 3):
        events.add("train", step, loss=0.5, note="one\u2028two")
    whole = path.read_bytes()
    path.write_bytes(whole + '{"event": "train", "note": "é'.encode()[:-1])
    assert [event["step"] for event in events.read()] == [1, 2, 3]
    assert [event["step"] for event in events.rewind(2)] == [1, 2]
    assert [json.loads(line)["step"] for line in path.read_bytes().splitlines()] == [1, 2]
    for bad, said in ((b"{ no", "line 2 of .* is no JSON"), (b"7", "line 2 of .* is no object"), (b"{}", "no event")):
        first, *rest = whole.splitlines(keepends=True)
        damaged = b"".join([first, bad + b"\n", *rest])
        path.write_bytes(damaged)
        for use in (events.read, lambda: events.rewind(3)):
            with pytest.raises(DataError, match=said) as refused:
                use()
            assert "training.jsonl" in refused.value.hint
        assert path.read_bytes() == damaged


def test_samples_may_hold_any_character(tmp_path):
    folder = write_run(tmp_path / "diplomat", steps=20)
    sample = {"when": "after", "question": "Well?", "text": "one\u2028two\x85three"}
    (folder / "samples.jsonl").write_text(json.dumps(sample, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [dict(one) for one in read_training(folder).samples] == [sample]


def test_only_finite_numbers_are_a_series(tmp_path):
    folder = write_run(tmp_path / "diplomat", steps=20)
    odd = [{"event": "train", "step": 90 + n, "loss": value} for n, value in enumerate((None, float("nan"), True, "1"))]
    with (folder / "training.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in odd)
    assert max(step for step, _ in read_training(folder).series("train", "loss")) == 20
    # Conscientiousness was never measured, so it is no series either.
    assert read_training(folder).series("control", "closed.conscientiousness") == []


def test_what_was_kept_is_the_value_at_the_best_step_not_the_last(tmp_path):
    folder = write_run(tmp_path / "diplomat")
    read = read_training(folder)
    losses = dict(read.series("held-out", "loss"))
    assert read.best_step < read.steps and losses[read.best_step] == min(losses.values())
    assert read.last("held-out", "loss") == losses[read.best_step] < losses[read.steps]


def test_a_folder_without_a_training_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"there is no training\.json"):
        read_training(tmp_path)
    (tmp_path / "training.json").write_text('{"kind": "persona"}')
    with pytest.raises(DataError, match="not what a training writes"):
        write_card(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


def test_the_card_has_front_matter_that_is_yaml_and_the_figures_of_the_kept_step(tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = write_run(tmp_path / "diplomat", model="meta-llama/Meta-Llama-3-8B-Instruct", revision="0" * 12)
    text = write_card(folder).read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == "meta-llama/Meta-Llama-3-8B-Instruct" and front["library_name"] == "peft"
    assert "dpo" in front["tags"] and front["license"] == "other"
    read = read_training(folder)
    accuracy = read.last("held-out", "accuracy")
    assert re.search(rf"\| accuracy \| [\d.]+ \| {accuracy:.3f} \|", text)
    assert "| openness | 90th |" in text and "| conscientiousness | – | – |" in text
    assert "--max-lora-rank 16 --lora-modules diplomat=adapters/diplomat" in text
    assert "--engine hf:meta-llama/Meta-Llama-3-8B-Instruct+DIR/adapters/diplomat --persona Diplomat" in text
    assert text == card(read), "the same training gives the same bytes"


def test_the_code_in_the_card_of_pocket_runs_and_its_commands_are_of_pocket(tmp_path, monkeypatch):
    text = write_card(write_run(tmp_path / "adapters" / "diplomat")).read_text()
    assert "license: mit" in text and "base_model:" not in text
    assert "--engine pocket+DIR/adapters/diplomat" in text and "vllm" not in text
    code = re.search(r"```python\n(.*?)```", text, re.S)[1]
    compile(code, "card", "exec")
    assert 'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "adapters/diplomat")' in code


def test_vectors_have_slopes_and_no_target(tmp_path):
    text = card(read_training(write_run(tmp_path / "vectors", kind="vectors")))
    assert (
        "| trait | slope, by the text rater | spearman, by the text rater |" in text
        and "percentile among adults" not in text
    )


def test_the_card_says_in_which_words_a_vector_was_given(tmp_path):
    folder = write_run(tmp_path / "vectors", kind="vectors")
    assert "five traits, each in words of seven levels, and the model" in card(read_training(folder))
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text() + 'wordings = ["levels", "scale"]\n')
    text = card(read_training(folder))
    assert "each in one of the 2 wordings that it was trained on (levels, scale), and the model" in text
    assert "seven levels" not in text


def test_a_folder_on_this_machine_is_named_by_its_last_part(tmp_path):
    read = read_training(write_run(tmp_path / "d", model=str(tmp_path / "somebody" / "llama-tuned")))
    assert read.base == "llama-tuned" and str(tmp_path) not in card(read)
    assert "base_model" not in card(read)


def test_words_for_percentiles_and_times():
    assert [percentile(p) for p in (0.01, 0.02, 0.11, 0.21, 0.5, 0.93)] == [
        "1st",
        "2nd",
        "11th",
        "21st",
        "50th",
        "93rd",
    ]
    assert [duration(s) for s in (12, 600, 7200)] == ["12 seconds", "10 minutes", "2.0 hours"]
