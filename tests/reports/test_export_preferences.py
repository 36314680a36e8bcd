"""Pairs as a dataset: every text comes back, splits are by topic, the card is true, and trainers take it."""

import polars as pl
import pytest

from cityfolk.errors import DataError
from cityfolk.preferences.prompts import PROMPTED_GUIDANCE, UNTARGETED_GUIDANCE
from cityfolk.stages import PairOptions, export_study, pair_answers
from cityfolk.study.folder import Study
from tests.preferences.tables import ARCHETYPES, world
from tests.stages.test_pairs import cityfolk, study_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = study_of(tmp_path_factory.mktemp("pairs") / "s", world(3, topics=4, each=3, noise=0.1))
    with Study.open(folder) as study:
        pair_answers(study, PairOptions(strategies=("farthest", "base")))
        pair_answers(study, PairOptions(targets=("Diplomat",), margin=0.1))
        files = export_study(study, folder / "export", hf=True)
    assert files and all(file.exists() for file in files)
    return folder


def rows_of(made, name):
    with Study.open(made, read_only=True) as study:
        tables = [study.read(table) for table in ("questions", "answers", f"pairs/{name}")]
    return tables


def load(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    return load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["all", "Diplomat"])
def test_datasets_reads_back_what_was_paired(made, tmp_path, monkeypatch, name):
    data = load(made / "export" / "hf-pairs" / name, tmp_path, monkeypatch)
    questions, answers, pairs = rows_of(made, name)
    asked = dict(questions.select("question_id", "text").iter_rows())
    text = dict(answers.select("answer_id", "text").iter_rows())
    assert set(data) == {"train", "test"}
    got = [*data["train"], *data["test"]]
    expected = [*pairs.filter(split="train").to_dicts(), *pairs.filter(split="held-out").to_dicts()]
    assert len(got) == len(expected) > 5
    for row, pair in zip(got, expected, strict=True):
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert row["chosen"] == [{"role": "assistant", "content": text[pair["chosen_id"]]}]
        assert row["rejected"] == [{"role": "assistant", "content": text[pair["rejected_id"]]}]
        assert row["prompt"][1]["content"].endswith(f"Question: {asked[pair['question_id']]}")
        assert row["margin"] == pair["margin"] and row["judges"] == pair["judges"]
    assert not set(data["train"]["topic"]) & set(data["test"]["topic"])


def test_one_personality_is_trained_unasked_and_many_are_asked_for(made):
    one, many = (
        pl.read_parquet(made / "export" / "hf-pairs" / n / "data" / "train.parquet") for n in ("Diplomat", "all")
    )
    assert {turns[0]["content"] for turns in one["prompt"]} == {UNTARGETED_GUIDANCE}
    assert {turns[0]["content"] for turns in many["prompt"]} == {PROMPTED_GUIDANCE}
    assert all("Agreeableness: " in turns[1]["content"] for turns in many["prompt"])


def test_the_card_tells_what_there_is(made):
    front, _, body = (
        (made / "export" / "hf-pairs" / "all" / "README.md")
        .read_text("utf-8")
        .removeprefix("---\n")
        .partition("\n---\n")
    )
    _, _, pairs = rows_of(made, "all")
    assert "path: data/train.parquet" in front and "path: data/test.parquet" in front
    assert "license: other" in front and "size_categories:\n- n<1K" in front
    for split, called in (("train", "train"), ("held-out", "test")):
        assert f"| {called} | {pairs.filter(split=split).height:,} |" in body
    low = pairs.filter(pl.col("target_agreeableness") < 0.5).height
    assert f"| agreeableness | {low:,} |" in body and low
    assert "Judge: one (one; percentile)" in body and "a margin of 0.5; 2 judges who agree" in body
    assert "Warning" not in body


def test_a_judge_of_the_same_family_is_in_the_card(made):
    with Study.open(made) as study:
        readings = study.read("readings")
        study.write("readings", readings.with_columns(same_family=pl.lit(True)))
        try:
            export_study(study, made / "again", hf=True)
        finally:
            study.write("readings", readings)
    text = (made / "again" / "hf-pairs" / "all" / "README.md").read_text("utf-8")
    assert "Warning: one, two judged answers of a model of its own family" in text


def test_swapped_pairs_are_not_exported(made):
    with Study.open(made) as study:
        pairs = study.read("pairs/Diplomat")
        study.write("pairs/Diplomat", pairs.rename({"chosen_id": "rejected_id", "rejected_id": "chosen_id"}))
        try:
            with pytest.raises(DataError, match=f"in {pairs.height} of {pairs.height} pairs"):
                export_study(study, made / "swapped", hf=True)
        finally:
            study.write("pairs/Diplomat", pairs)
    assert not (made / "swapped").exists()


def test_the_command_line_writes_the_same_bytes(made, tmp_path):
    done = cityfolk("export", made, "--hf", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    ours = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert ours == sorted(p.relative_to(made / "export") for p in (made / "export").rglob("*") if p.is_file())
    for path in ours:
        assert (tmp_path / path).read_bytes() == (made / "export" / path).read_bytes()


@pytest.mark.long
def test_trl_prepares_and_trains_on_it(made, tmp_path, monkeypatch):
    """TRL's DPOTrainer takes the dataset as it is: one step on a model of random weights changes them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from tests.engines.tiny_models import save_model

    model_folder = save_model(tmp_path / "model")
    data = load(made / "export" / "hf-pairs" / "all", tmp_path, monkeypatch)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    config = DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=4, learning_rate=1e-2, report_to=[],
        use_cpu=True, bf16=False,
    )  # fmt: skip
    trainer = DPOTrainer(
        AutoModelForCausalLM.from_pretrained(model_folder),
        args=config,
        train_dataset=data["train"],
        processing_class=tokenizer,
    )
    batch = next(iter(trainer.get_train_dataloader()))
    words = tokenizer.batch_decode(batch["input_ids"])
    assert len(words) == 8 and any("<|assistant|>" in text and "Question:" in text for text in words)
    assert trainer.train().training_loss == pytest.approx(0.693, abs=0.05)  # ln 2: no preference to begin with


def test_the_archetypes_are_those_of_the_package():
    from cityfolk.personality.archetypes import ARCHETYPES as OURS

    assert {name: tuple(v for _, v in vector.items()) for name, vector in OURS.items()} == ARCHETYPES
