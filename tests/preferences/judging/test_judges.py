"""Judges by name, families, classifiers, scales and calibration."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.preferences.judging import Item, ReadingRows, families, family, judge_z, load_judge, same_family, with_z
from cityfolk.preferences.judging.classifier import ClassifierJudge, _order, load_classifier, trait_of
from cityfolk.preferences.judging.scale import BY_NORMS, BY_POOL, Calibration, Line, calibrate, calibrated, scale_of
from cityfolk.preferences.records import READINGS
from cityfolk.types import Reading
from cityfolk.vocabulary import TRAITS
from tests.evaluation.feeling.cases import made

SAID = ["I love meeting people and trying new things.", "I worry about everything, all day.", ""]
MINEJ = ("extraversion", "neuroticism", "agreeableness", "conscientiousness", "openness")


def items(texts=SAID):
    return [Item(answer_id=f"{n:016x}", question="What?", text=text) for n, text in enumerate(texts)]


def readings(judge, raw, percentile=None):
    """Return a table of one judge's readings: every trait has the same raw scores."""
    rows = ReadingRows()
    for number, value in enumerate(raw):
        share = (None,) * 5 if percentile is None else (percentile[number],) * 5
        rows.add(
            Reading(answer_id=f"{number:016x}", judge=judge, instrument="test", raw=(value,) * 5, percentile=share)
        )
    return rows.frame()


# ----------------------------------------------------------------------------------------------------- by name


def test_the_word_list_and_the_rater_read():
    lexicon = list(load_judge("lexicon").read(items()))
    assert [reading.judge for reading in lexicon] == ["lexicon"] * 3
    assert lexicon[0].raw[2] > 0 and lexicon[1].raw[4] > 0 and lexicon[0].percentile == (None,) * 5
    assert lexicon[2].raw == (0.0,) * 5


def test_a_name_that_nobody_has():
    for name, near in (("ratr", "rater"), ("lexicn", "lexicon"), ("gramar:x", "grammar")):
        with pytest.raises(UsageError) as caught:
            load_judge(name)
        assert near in caught.value.hint
    with pytest.raises(UsageError, match="cannot be asked by a program"):
        load_judge("people:anna")
    with pytest.raises(UsageError, match="needs a journal"):
        load_judge("pocket")


# ---------------------------------------------------------------------------------------------------- families


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ollama:llama3.1:8b", {"llama"}),
        ("ollama:qwen3:8b?thinking=off", {"qwen"}),
        ("openai:meta-llama/Llama-3.1-8B-Instruct@http://h:1/v1", {"llama"}),
        ("dolphin", {"llama"}),
        ("dolphin-mistral:7b", {"mistral"}),
        ("mixtral:8x7b", {"mistral"}),
        ("google/gemma-3-12b-it", {"gemma"}),
        ("gemini-2.5-pro", {"gemini"}),
        ("microsoft/Phi-4", {"phi"}),
        ("gpt-4o-mini", {"gpt"}),
        ("openai:gpt-5", {"gpt"}),
        ("openai:o3-mini", {"gpt"}),
        ("openai/gpt-oss-20b", {"gpt"}),
        ("claude-sonnet-4-5", {"claude"}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", {"deepseek", "qwen"}),
        ("pocket-1@0123456789ab", {"pocket"}),
        ("Minej/bert-base-personality", {"bert"}),
        ("hf:someone/tuned-model+adapters/llama-diplomat", set()),
        ("/models/llama/mine", set()),
        ("stub", set()),
        ("dolphin-phi:2.7b", {"phi"}),
        ("sapphire-7b", set()),
        ("pompeii:8b", set()),
    ],
)
def test_families_by_name(name, expected):
    assert families(name) == expected


def test_a_folder_is_asked_what_it_holds(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    assert family(f"hf:{tmp_path / 'mine'}") == "qwen"


def test_same_family():
    assert same_family("llama", "dolphin-llama3:8b") is True
    assert same_family("deepseek+qwen", "qwen3:8b") is True
    assert same_family("qwen", "llama3.1:8b") is False
    assert same_family("", "llama3.1:8b") is None
    assert same_family("qwen", "stub") is None
    assert same_family("stub", "stub") is True


# ------------------------------------------------------------------------------------------------- classifiers


def by_hand(folder, text):
    import torch
    from transformers import RobertaForSequenceClassification, RobertaTokenizerFast

    model = RobertaForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = RobertaTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()


def test_a_classifier_reads_by_the_names_of_its_labels(tmp_path):
    labels = ["cEXT", "Neuroticism", "agr", "Conscientious", "Openness to experience"]
    folder = made(tmp_path, labels, "multi_label_classification")
    judge = load_classifier(f"classifier:{folder}")
    found = list(judge.read(items()))
    logits = by_hand(folder, SAID[0])
    places = dict(zip(MINEJ, range(5), strict=True))
    for column, trait in enumerate(TRAITS):
        assert found[0].raw[column] == pytest.approx(1 / (1 + np.exp(-logits[places[trait]])), abs=1e-5)
    assert found[2].raw == (None,) * 5 and found[0].judge == f"classifier:{folder}"
    assert judge.instrument.endswith("sigmoid")


def test_a_regression_is_read_as_it_is_and_labels_may_be_told(tmp_path):
    folder = made(tmp_path, [f"LABEL_{n}" for n in range(5)], "regression")
    with pytest.raises(DataError, match="are not the five traits") as caught:
        load_classifier(f"classifier:{folder}")
    assert "?labels=" in caught.value.hint
    judge = load_classifier(f"classifier:{folder}?labels=o,c,e,a,n")
    assert next(iter(judge.read(items()))).raw == pytest.approx(by_hand(folder, SAID[0]), abs=1e-5)
    for wrong in ("o,c,e,a", "o,c,e,a,a", "o,c,e,a,x"):
        with pytest.raises(DataError, match="not the five traits"):
            load_classifier(f"classifier:{folder}?labels={wrong}")
    with pytest.raises(UsageError, match="no option 'label'"):
        load_classifier(f"classifier:{folder}?label=o")


def test_the_order_that_a_card_states_is_used_only_where_labels_say_nothing():
    blank = [f"LABEL_{n}" for n in range(5)]
    assert _order("m", "Minej/bert-base-personality", blank, ()) == tuple(MINEJ.index(trait) for trait in TRAITS)
    assert _order("m", "Minej/bert-base-personality", list(TRAITS), ()) == (0, 1, 2, 3, 4)


def test_labels():
    assert trait_of("cEXT") == "extraversion" and trait_of("Extroversion") == "extraversion"
    assert trait_of("sCON") == "conscientiousness" and trait_of("N") == "neuroticism"
    assert trait_of("LABEL_1") is None and trait_of("Neutral") is None
    assert trait_of("spam") is None and trait_of("closed") is None


def test_which_trait_is_not_how_much_of_each(tmp_path):
    folder = made(tmp_path, list(TRAITS), "single_label_classification")
    with pytest.raises(DataError, match="which one of its labels"):
        load_classifier(f"classifier:{folder}")


def test_pickled_weights_are_refused_with_the_way_out(tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = made(tmp_path, list(TRAITS), "multi_label_classification")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="pickled weights are never loaded") as caught:
        load_classifier(f"classifier:{folder}")
    assert "save_pretrained" in caught.value.hint


def test_long_texts_are_read_in_pieces(tmp_path):
    judge = load_classifier(f"classifier:{made(tmp_path, list(TRAITS), 'multi_label_classification')}")
    one, two = "joy " * 300, "worry " * 100
    whole, first, second = judge.scores([one + two, one, two])
    assert whole == pytest.approx((300 * first + 100 * second) / 400, abs=1e-6)
    assert isinstance(judge, ClassifierJudge)


# ------------------------------------------------------------------------------------------ scale and calibration


def test_z_is_by_percentile_where_there_is_one():
    table = readings("a", [0.1, 0.2, 0.3], [0.5, 0.9, 0.001])
    assert judge_z(table)[:, 0] == pytest.approx(ndtri([0.5, 0.9, 0.001]))
    assert scale_of(table) == {"a": BY_NORMS}


def test_z_is_standardised_within_the_judge_without_one():
    table = pl.concat([readings("b", [1.0, 2.0, 3.0, None]), readings("a", [10.0, 30.0])])
    z = judge_z(table)
    assert z[:3, 2] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])  # SD of 1, 2, 3 is sqrt(2/3)
    assert np.isnan(z[3]).all()
    assert z[4:, 0] == pytest.approx([-1, 1])
    assert scale_of(table) == {"a": BY_POOL, "b": BY_POOL}


def test_a_judge_that_always_says_the_same_has_no_z():
    assert judge_z(readings("a", [0.8] * 7)).tolist() == [[0.0] * 5] * 7
    assert judge_z(readings("a", [0.1 + 0.2, 0.3])).tolist() == [[0.0] * 5] * 2


def test_with_z_keeps_rows_and_nulls():
    table = with_z(readings("a", [1.0, None, 2.0]))
    assert table["z_openness"].to_list() == [-1.0, None, 1.0] and table.columns[: len(READINGS)] == list(READINGS)


def test_a_calibration_is_the_line_of_least_squares():
    stream = np.random.default_rng(0)
    raw = stream.normal(3, 2, 400)
    truth = 0.4 * raw - 1.0 + stream.normal(0, 0.3, 400)
    table = pl.concat(
        [readings("lexicon", raw), readings("grammar", truth, [float(p) for p in np.clip(_cdf(truth), 0.001, 0.999)])]
    )
    fitted = calibrate(table, "lexicon", "grammar")
    z = ndtri(np.clip(_cdf(truth), 0.001, 0.999))
    slope, intercept = np.polyfit(raw, z, 1)
    line = fitted.lines["openness"]
    assert (line.slope, line.intercept, line.n) == (pytest.approx(slope), pytest.approx(intercept), 400)
    assert Calibration.read(json.loads(json.dumps(fitted.document()))) == fitted
    after = calibrated(table, fitted).filter(pl.col("judge") == "lexicon").sort("answer_id")
    assert ndtri(after["openness"].to_numpy()) == pytest.approx(
        np.clip(intercept + slope * raw, ndtri(0.001), ndtri(0.999))
    )
    other = calibrated(table, fitted).filter(pl.col("judge") == "grammar")
    assert other.equals(table.filter(pl.col("judge") == "grammar"))


def _cdf(z):
    from scipy.special import ndtr

    return ndtr(z)


def test_a_calibration_never_ties_answers():
    fitted = Calibration(
        judge="a",
        instrument="i",
        on="b",
        answers="all",
        lines={"openness": Line(intercept=0.1, slope=0.5, r=0.9, n=50)},
    )
    raw = np.full((5, 5), np.nan)
    raw[:4, 0] = [0.1, 0.2, 0.3, 0.4]
    found = fitted.percentiles(raw)
    assert (np.diff(found[:4, 0]) > 0).all() and np.isnan(found[4, 0]) and np.isnan(found[:, 1:]).all()


def test_calibrations_that_would_be_circular_or_empty():
    table = pl.concat([readings("a", np.arange(40.0)), readings("b", np.arange(40.0))])
    with pytest.raises(UsageError, match="on itself"):
        calibrate(table, "a", "a")
    with pytest.raises(UsageError, match="not calibrated on targets"):
        calibrate(table, "a", "targets")
    with pytest.raises(UsageError, match="no readings by c"):
        calibrate(table, "a", "c")
    with pytest.raises(DataError, match="too few"):
        calibrate(table, "a", "b")  # b has no percentiles


def test_a_judge_has_norms_where_every_trait_has_a_percentile():
    whole = pl.DataFrame(
        [{"answer_id": "a", "judge": "j", **{f"raw_{t}": 0.1 for t in TRAITS}, **dict.fromkeys(TRAITS, 0.5)}],
    )
    assert scale_of(whole) == {"j": BY_NORMS}
    assert scale_of(whole.with_columns(openness=pl.lit(None, dtype=pl.Float64))) == {"j": BY_POOL}
