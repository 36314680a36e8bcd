"""`train` as a stage and as a command: what it leaves in the study, what it takes up again, what it refuses."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from cityfolk.errors import EngineError, StudyError, UsageError
from cityfolk.stages import TrainOptions, plan_training, train_adapter
from cityfolk.stages.train import place_of, prepare_training, recipe_of
from cityfolk.stages.train_control import closed
from cityfolk.study.folder import Study
from cityfolk.training import checkpoints, extras, record, setup
from cityfolk.training.recipe import parse_recipe
from cityfolk.training.tokens import Renderer, tokenise
from cityfolk.types import content_key
from tests.engines.tiny_models import save_model
from tests.training.studies import RECIPE, write_study


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "tiny", num_hidden_layers=2)


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "s", about=4, short=True)


def recipe_file(folder, model, **changes):
    words = {"model": str(model), "answers": 0, "dropout": 0.2} | changes
    lines = [line for line in RECIPE.splitlines() if line.split(" ")[0] not in words]
    path = folder / f"recipe-{len(list(folder.glob('recipe-*')))}.toml"
    path.write_text("\n".join(lines + [f"{name} = {json.dumps(value)}" for name, value in words.items()]))
    return str(path)


def trained(folder, recipe, *, step=lambda *_: None, **options):
    options = {"persona": "Diplomat"} | options
    with Study.open(folder) as study:
        return train_adapter(study, TrainOptions(recipe=recipe, **options), step=step)


def events(folder, name="diplomat"):
    lines = (folder / "adapters" / name / "training.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def adapter(folder, name="diplomat"):
    return load_file(folder / "adapters" / name / "adapter_model.safetensors")


def same(found, expected):
    return found.keys() == expected.keys() and all(np.allclose(found[k], expected[k], atol=1e-6) for k in expected)


def alike(found, expected):
    """The same events; numbers to within what rounding may do."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys() and one["event"] == other["event"]
        numbers = {key: value for key, value in other.items() if isinstance(value, int | float)}
        assert {key: one[key] for key in numbers} == pytest.approx(numbers, rel=1e-5, abs=1e-7)


def test_what_a_training_leaves(study, model, tmp_path):
    done = trained(study, recipe_file(tmp_path, model, answers=2, steps=4, eval_every=2))
    folder = study / "adapters" / "diplomat"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"adapter_model.safetensors", "adapter_config.json", "recipe.toml", "training.json"}
    assert names >= {"training.jsonl", "samples.jsonl", "checkpoints", "README.md", "training.html"}
    told = record.read_training(folder)
    assert (told.kind, told.target_name, told.target) == ("persona", "Diplomat", (0.9, 0.5, 0.45, 0.9, 0.6))
    assert (told.train_pairs, told.held_out_pairs, told.steps, told.stopped_by) == (2, 2, 4, "steps")
    assert told.objective == "dpo" and told.adapter["r"] == 4 and told.versions["peft"] != "not installed"
    assert parse_recipe((folder / "recipe.toml").read_text(), "x").targets == ("q_proj", "v_proj", "down_proj")
    kinds = [(event["event"], event["step"]) for event in events(study)]
    looks = [(kind, step) for step in (0, 2, 4) for kind in ("control", "held-out")]
    assert sorted(kinds) == sorted([("train", step) for step in range(1, 5)] + looks)
    first, last = ([e for e in events(study) if e["event"] == "held-out"][n] for n in (0, -1))
    assert first["loss"] == pytest.approx(np.log(2)) and first["margin"] == 0 and last["loss"] != first["loss"]
    control = [event for event in events(study) if event["event"] == "control"]
    assert set(control[0]["closed"]) == set(closed([0] * 5, [0] * 5, [0] * 5)) and control[0]["reader"] == "rater"
    accuracy = [event["accuracy"] for event in events(study) if event["event"] == "held-out"]
    for one, share in list(zip(control, accuracy, strict=True))[1:]:
        assert one["score"] == pytest.approx(((2 * share - 1) + one["control"]) / 2)
    best = max(control[1:], key=lambda event: event["score"])["step"]
    assert done["best_step"] == told.best_step == best
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == sorted({f"step-{best:06d}", "step-000004"})
    assert same(adapter(study), load_file(folder / "checkpoints" / f"step-{best:06d}" / "adapter_model.safetensors"))
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [one["when"] for one in samples] == ["before"] * 2 + ["after"] * 2
    assert [one["question"] for one in samples[:2]] == [one["question"] for one in samples[2:]]
    with Study.open(study, read_only=True) as opened:
        stage = opened.manifest["stages"]["train adapters/diplomat"]
    assert stage["config"]["rank"] == 4 and stage["facts"]["best_step"] == best and "minutes" not in stage["config"]


def test_stopped_anywhere_and_done_again_and_another_config(study, model, tmp_path):
    recipe = recipe_file(tmp_path, model, steps=5)
    trained(study, recipe, name="whole")
    for stop in (3, 5):

        def step(title, done, total, note, stop=stop):
            if title == "train" and done == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            trained(study, recipe, step=step)
        assert not (study / "adapters" / "diplomat" / "training.json").exists()
    done = trained(study, recipe)
    alike(events(study), events(study, "whole"))
    assert same(adapter(study), adapter(study, "whole")) and not done["again"]
    again = trained(study, recipe)
    assert again["again"] and again["best_step"] == done["best_step"]
    other = recipe_file(tmp_path, model, steps=5, rate=0.5, rank=2, save_every=5)
    with pytest.raises(StudyError, match=r"rank was 4 and is now 2, rate was 0\.01 and is now 0\.5") as refused:
        trained(study, other)
    assert "save_every" not in str(refused.value) and "--name" in refused.value.hint
    assert trained(study, other, name="other")["steps"] == 5


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(study, model, tmp_path):
    recipe = recipe_file(tmp_path, model, steps=6)
    trained(study, recipe, name="whole")
    folder = study / "adapters" / "diplomat" / "checkpoints"

    def step(title, done, total, note):
        if title == "train" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(study, recipe, step=step)
    assert [path.name for path in sorted(folder.iterdir())] == ["step-000003", "step-000004"]
    weights = folder / "step-000004" / "optimizer.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-3] + b"\0\1\2")
    done = trained(study, recipe)
    [said] = done["notices"]
    assert (
        "step-000004 is damaged" in said and "optimizer.safetensors" in said and said.endswith("going on from step 3")
    )
    assert same(adapter(study), adapter(study, "whole"))
    assert [e["loss"] for e in events(study) if e["event"] == "train"] == pytest.approx(
        [e["loss"] for e in events(study, "whole") if e["event"] == "train"], rel=1e-6
    )


def test_a_full_disk_is_said_and_the_last_good_checkpoint_kept(study, model, tmp_path, monkeypatch):
    recipe, write = recipe_file(tmp_path, model, steps=6, held_out=0), checkpoints._write

    def full(path, data):
        if path.parent.name == ".step-000004.tmp" and path.name == "optimizer.safetensors":
            write(path, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(checkpoints, "_write", full)
    with pytest.raises(StudyError, match="the disk is full"):
        trained(study, recipe)
    folder = study / "adapters" / "diplomat" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-000002", "step-000003"]
    assert checkpoints.newest(folder)[0].step == 3
    monkeypatch.undo()
    assert trained(study, recipe)["steps"] == 6


def test_vectors_sft_and_early_stopping(study, model, tmp_path):
    recipe = recipe_file(tmp_path, model, answers=4, steps=4, eval_every=1, patience=1, rate=1e-7, save_every=0)
    done = trained(study, recipe, persona="", vectors=True)
    folder = study / "adapters" / "vectors"
    told = record.read_training(folder)
    assert (told.kind, told.target, told.train_pairs) == ("vectors", None, 8)
    control = [event for event in told.events if event["event"] == "control"]
    # It stops at the first look that is no better than the best before it.
    scores = [event["score"] for event in control[1:]]
    better = [score > max([-9.0, *scores[:place]]) for place, score in enumerate(scores)]
    assert better == [True] * (len(better) - 1) + [told.stopped_by == "steps"]
    assert done["best_step"] == scores.index(max(scores)) + 1 and len({one["target_name"] for one in told.samples}) > 1
    assert set(control[0]["slope"]) == set(control[0]["spearman"]) and "closed" not in control[0]
    sft = recipe_file(tmp_path, model, steps=2)
    with Study.open(study) as opened:
        plan = plan_training(opened, TrainOptions(persona="Diplomat", objective="sft", recipe=sft))
    assert plan["first_rejected"] is None and plan["name"] == "diplomat-sft" and plan["steps"] == 2
    assert "Openness" not in str(plan["first_prompt"]) and plan["memory_bytes"]["weights"] > 1000
    trained(study, sft, objective="sft")
    train, held = ([e for e in events(study, "diplomat-sft") if e["event"] == kind] for kind in ("train", "held-out"))
    assert "margin" not in train[0] and held[-1]["accuracy"] >= 0
    # An adapter that adds nothing yet: the first loss is the base model's own, by transformers.
    assert train[0]["loss"] == pytest.approx(imitation_loss(study, model, sft), rel=1e-5)


def imitation_loss(study, model, recipe):
    """Return what the untrained model's chosen answers cost a token, in nats, by transformers' own forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ready_of = TrainOptions(persona="Diplomat", objective="sft", recipe=recipe)
    with Study.open(study, read_only=True) as opened:
        ready = prepare_training(opened, ready_of, recipe_of(ready_of), place_of(str(model)))
    renderer = Renderer(AutoTokenizer.from_pretrained(model), "tiny")
    triples = tokenise(ready.train, renderer, longest=1200, budget=1200).triples
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    cost, tokens = 0.0, 0
    for triple in triples:
        ids = torch.tensor([[*triple.prompt.tolist(), *triple.chosen.tolist()]])
        labels = torch.full_like(ids, -100)
        labels[0, len(triple.prompt) :] = ids[0, len(triple.prompt) :]
        with torch.no_grad():
            cost += float(base(ids, labels=labels).loss) * len(triple.chosen)
        tokens += len(triple.chosen)
    return cost / tokens


def test_every_second_held_out_question_of_a_topic_is_left_for_measuring(model, tmp_path):
    study = write_study(tmp_path / "s", about=4, each=3, short=True)
    for options in (TrainOptions(persona="Diplomat"), TrainOptions(vectors=True)):
        recipe = parse_recipe(f"model = {json.dumps(str(model))}\nanswers = 9", "r")
        with Study.open(study, read_only=True) as opened:
            ready = prepare_training(opened, options, recipe, place_of(recipe.model))
            held = opened.read("questions").filter(pl.col("split") == "held-out").sort("question_id")
            pairs = opened.read("pairs/all").filter(pl.col("split") == "held-out")
        assert set(pairs["question_id"]) == set(held["question_id"]) and held.height == 6
        left = {name for name in held["question_id"] if not name.endswith("-001")}
        assert set(ready.watched) == set(held["question_id"]) - left and len(left) == 4
        assert {one.id for one in ready.asked} <= set(ready.watched)
        words = dict(held.select("question_id", "text").iter_rows())
        said = "\n".join(pair.messages[-1].content for pair in ready.held_out)
        assert all((text in said) == (name not in left) for name, text in words.items())
        assert ready.about["watched_questions"] == sorted(ready.watched)
        assert ready.about["watched_texts"] == sorted(content_key(words[name]) for name in ready.watched)
    # Where pairs are on the first question of a topic alone, that one is looked at, and the others are left.
    with Study.open(study) as opened:
        pairs = opened.read("pairs/all").filter(pl.col("question_id").str.ends_with("-000"))
        opened.write("pairs/all", pairs)
        ready = prepare_training(opened, TrainOptions(persona="Diplomat"), recipe, place_of(recipe.model))
    assert len(ready.held_out) == 2 and {name[-4:] for name in ready.watched} == {"-000"} and len(ready.watched) == 2


def test_pairs_for_any_vector_are_worded_in_every_way_of_the_recipe(study, model, tmp_path):
    recipe = parse_recipe(f'model = {json.dumps(str(model))}\nwordings = ["scale", "you-are"]', "r")
    with Study.open(study) as opened:
        found, again, plain = (
            prepare_training(opened, options, recipe, place_of(recipe.model))
            for options in (TrainOptions(vectors=True), TrainOptions(vectors=True), TrainOptions(persona="Diplomat"))
        )
    assert found.train == again.train
    said = [pair.messages[-1].content for pair in found.train]
    scale = ["on a scale from 1 to 99" in text for text in said]
    assert any(scale) and not all(scale)
    assert [("You are " in text and "of 100 adults" in text) for text in said] == [not one for one in scale]
    assert not any("1 to 99" in pair.messages[-1].content for pair in plain.train)


def test_what_is_refused_before_anything_is_loaded(study, model, tmp_path, monkeypatch):
    recipe = recipe_file(tmp_path, model)
    for options, said in (
        ({"persona": "Diplomat", "vectors": True}, "not clear"),
        ({"persona": ""}, "not clear"),
        ({"persona": "Explorer"}, "no pairs for 'Explorer'"),
        ({"pairs": "mine"}, "no pairs mine"),
        ({"name": "../x"}, "cannot be named"),
        ({"objective": "grpo"}, "objective cannot be 'grpo'"),
    ):
        with pytest.raises(UsageError, match=said):
            trained(study, recipe, **options)
    with pytest.raises(EngineError, match="no folder"):
        trained(study, recipe, model=str(tmp_path / "none"))
    with pytest.raises(EngineError, match="has no CUDA device"):
        trained(study, recipe_file(tmp_path, model, device="cuda"))
    with pytest.raises(UsageError, match="shares a step among 4") as refused:
        trained(study, recipe_file(tmp_path, model, gpus=4))
    assert "accelerate launch --num_processes 4" in refused.value.hint
    with pytest.raises(UsageError, match="no layers called w_proj"):
        trained(study, recipe_file(tmp_path, model, targets=["w_proj"]))
    monkeypatch.setattr(setup, "memory_free", lambda device: 100_000)
    with pytest.raises(EngineError, match=r"takes about .* GB \(weights .*adapter .*activations") as refused:
        trained(study, recipe)
    assert "row_tokens" in refused.value.hint
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "peft" else True)
    with pytest.raises(EngineError, match="training needs peft") as refused:
        trained(study, recipe)
    assert refused.value.hint == "pip install 'cityfolk[train]'"
    assert not (study / "adapters" / "diplomat" / "adapter_model.safetensors").exists()


def test_the_command_line(study, model, tmp_path):
    recipe = recipe_file(tmp_path, model, steps=2)
    words = [sys.executable, "-m", "cityfolk", "train", str(study), "--persona", "Diplomat", "--recipe", recipe]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == 2 and told["name"] == "diplomat" and "train: 2 of 2" in done.stderr
    assert "Warning" not in done.stderr and "{'" not in done.stderr


def test_numbers_by_hand():
    shares = closed([0.8, 0.5, 0.5, 0.95, 0.5], [0.5, 0.5, 0.7, 0.75, 0.9], [0.9, 0.6, 0.5, 0.9, 0.4])
    rounded = [None if share is None else round(share, 4) for share in shares.values()]
    assert rounded == [0.75, None, 1.0, 0.6667, 0.8]


def test_the_embedded_model_learns_and_its_engine_takes_the_adapter(study, tmp_path):
    from cityfolk.pocket.arrays import load_weights, weights_folder

    done = trained(study, recipe_file(tmp_path, "pocket", steps=4, batch=2, held_out=0, dropout=0.0, rate=5e-3))
    losses = [event["loss"] for event in events(study)]
    assert done["model"] == "pocket" and losses[-1] < 0.8 * losses[0] == pytest.approx(0.8 * np.log(2), rel=1e-4)
    with_adapter = load_weights(weights_folder(), study / "adapters" / "diplomat")
    plain = load_weights(weights_folder())
    assert with_adapter.revision != plain.revision and not np.allclose(
        with_adapter.layers[0].qkv, plain.layers[0].qkv, atol=1e-4
    )
    config = json.loads((study / "adapters" / "diplomat" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "pocket" and config["inference_mode"]
