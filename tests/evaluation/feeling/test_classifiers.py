"""A small RoBERTa made here, with the labels of the real classifiers, saved and loaded as they are."""

import sys

import numpy as np
import pytest

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.feeling import EMOTIONS, feeling_evidence, load_classifier
from cityfolk.evaluation.feeling.classifiers import SENTIMENTS, Classifier, sentences
from cityfolk.evaluation.feeling.lexicon import tally
from tests.evaluation.feeling.cases import corpus, made

SAID = ["She is grateful. He fears the dark, and they are sad.", "A nurse.", "", "Joy; and more joy!\nNever mind."]


@pytest.fixture(scope="module")
def goemotions(tmp_path_factory):
    labels = [EMOTIONS[at] for at in np.random.default_rng(1).permutation(len(EMOTIONS))]
    return made(tmp_path_factory.mktemp("go"), labels, "multi_label_classification"), labels


@pytest.fixture(scope="module")
def sentiments(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sentiment"), ["Positive", "negative", "Neutral"], None)


def by_hand(folder, text):
    import torch
    from transformers import RobertaForSequenceClassification, RobertaTokenizerFast

    model = RobertaForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = RobertaTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()


def test_emotions_are_a_sigmoid_a_label_meaned_over_sentences(goemotions):
    folder, labels = goemotions
    classifier = load_classifier(str(folder))
    assert classifier.reads == "emotion"
    scores = classifier.scores(SAID)
    parts = [by_hand(folder, text) for text in ("She is grateful.", "He fears the dark, and they are sad.")]
    expected = np.mean([1 / (1 + np.exp(-part)) for part in parts], axis=0)
    for label in ("gratitude", "fear", "neutral", "admiration"):
        assert scores[0, EMOTIONS.index(label)] == pytest.approx(expected[labels.index(label)], abs=1e-5)
    assert np.isnan(scores[2]).all() and scores.shape == (4, 28)
    assert len(set(np.round(scores[0], 6))) > 5  # the little model does tell labels apart


def test_sentiment_is_positive_less_negative(sentiments):
    classifier = load_classifier(str(sentiments))
    assert classifier.reads == "sentiment"
    logits = by_hand(sentiments, "A nurse.")
    chance = np.exp(logits) / np.exp(logits).sum()
    assert classifier.scores(["A nurse."])[0] == pytest.approx(chance[0] - chance[1], abs=1e-5)


def test_batches_change_nothing(goemotions):
    texts = [
        f"{a} {b}."
        for a in ("A nurse", "He fears", "Joy and more joy, he said,")
        for b in ("is here", "at nine o'clock")
    ]
    one, many = load_classifier(str(goemotions[0]), batch=1), load_classifier(str(goemotions[0]), batch=32)
    assert np.allclose(one.scores(texts), many.scores(texts), atol=1e-5)


def test_long_texts_are_split():
    assert list(sentences("One. Two!  Three? 4. \n- ; Five")) == ["One.", "Two!", "Three?", "Five"]
    long = " ".join(["word"] * 200)
    assert [len(piece.split()) for piece in sentences(long)] == [80, 80, 40]


def test_a_text_longer_than_the_model_takes_is_read_all_the_same(goemotions):
    scores = load_classifier(str(goemotions[0])).scores(["Supercalifragilistic" * 2000])
    assert np.isfinite(scores).all()


def test_labels_that_are_neither_are_refused(tmp_path):
    folder = made(tmp_path, ["spam", "ham"], None)
    with pytest.raises(DataError, match="neither the 28 of GoEmotions nor negative") as caught:
        load_classifier(str(folder))
    assert "SamLowe" in caught.value.hint


def test_pickled_weights_are_never_read(tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = made(tmp_path, list(SENTIMENTS), None)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="could not be loaded") as caught:
        load_classifier(str(folder))
    assert "safetensors" in caught.value.hint


def test_offline_a_name_that_is_not_here_is_a_sentence(monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineError, match="SamLowe/roberta-base-go_emotions could not be loaded") as caught:
        load_classifier("SamLowe/roberta-base-go_emotions")
    assert "go online once" in caught.value.hint and "\n" not in str(caught.value)


def test_a_folder_that_is_not_there():
    with pytest.raises(UsageError, match="there is no folder"):
        load_classifier("./nowhere")


def test_evidence_states_both_and_their_agreement(goemotions, sentiments):
    evidence = feeling_evidence(corpus(), [str(goemotions[0]), load_classifier(str(sentiments))], most_classified=12)
    found = {finding.id: finding for finding in evidence.findings}
    assert found["text.feeling.classifier.emotion.joy"].n == 12
    assert found["text.feeling.classifier.sentiment"].n == 12
    for name in ("sentiment", "emotion"):
        agreement = found[f"text.feeling.agreement.{name}"]
        assert -1 <= agreement.value <= 1 and str(goemotions[0] if name == "emotion" else sentiments) in agreement.note
    drawn = {d.group for d in evidence.details if d.name == "feeling.emotion"}
    assert drawn == {"lexicon", str(goemotions[0])}


class Twin(Classifier):
    """Reads exactly as the lexicon does."""

    def scores(self, texts):
        found = tally(list(texts))
        return found.sentiment if self.reads == "sentiment" else found.emotions


def test_a_classifier_that_is_the_lexicon_agrees_fully():
    twins = [Twin("twin", reads, (), None, None) for reads in ("sentiment", "emotion")]
    found = {finding.id: finding for finding in feeling_evidence(corpus(), twins).findings}
    assert found["text.feeling.agreement.sentiment"].value == pytest.approx(1.0)
    assert found["text.feeling.agreement.emotion"].value == pytest.approx(1.0)
    assert isinstance(corpus(), Corpus)


@pytest.fixture(scope="module")
def toxic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toxic")
    several = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    (folder / "one").mkdir()
    (folder / "several").mkdir()
    return {
        "one": made(folder / "one", ["non-toxic", "Toxicity", "unsure"], None),
        "several": made(folder / "several", several, "multi_label_classification"),
    }


def test_toxicity_is_softmax_or_sigmoid_as_the_model_was_trained(toxic):
    one, several = (load_classifier(str(toxic[name])) for name in ("one", "several"))
    assert one.reads == several.reads == "toxicity"
    text = "She is grateful. He fears the dark!"  # whole comments, not sentences
    logits = by_hand(toxic["one"], text)
    assert one.scores([text])[0] == pytest.approx(np.exp(logits[1]) / np.exp(logits).sum(), abs=1e-5)
    assert several.scores([text])[0] == pytest.approx(1 / (1 + np.exp(-by_hand(toxic["several"], text)[0])), abs=1e-5)
    assert np.isnan(one.scores(["", " - "])).all()
    told = load_classifier(f"{toxic['several']}?label=Threat")
    third = by_hand(toxic["several"], text)[3]
    assert told.scores([text])[0] == pytest.approx(1 / (1 + np.exp(-third)), abs=1e-5)
    assert told.name == str(toxic["several"])


def test_a_long_text_is_as_toxic_as_the_worst_of_its_pieces(toxic):
    one = load_classifier(str(toxic["one"]))
    words = ["She fears nothing."] * 100 + ["He is lonely."] * 90  # 300 words, then 270
    first, second = one.scores([" ".join(words[:100]), " ".join(words[100:])])
    assert abs(first - second) > 1e-4
    assert one.scores([" ".join(words)])[0] == pytest.approx(max(first, second), abs=1e-6)


def test_a_label_that_is_not_there_and_options_that_are_not_known_are_sentences(toxic, tmp_path):
    with pytest.raises(DataError, match="no label 'rude'") as caught:
        load_classifier(f"{toxic['one']}?label=rude")
    assert "non-toxic" in caught.value.hint
    for wrong in ("?labels=toxic", "?label=", "?toxic"):
        with pytest.raises(UsageError, match="no option"):
            load_classifier(f"{toxic['one']}{wrong}")
    with pytest.raises(UsageError, match="there is no folder"):
        load_classifier("./nowhere?label=toxic")
    number = made(tmp_path, ["toxicity"], "regression")
    with pytest.raises(DataError, match="no probability of toxicity"):
        load_classifier(str(number))


def test_toxicity_of_written_lives_is_told_and_nothing_is_agreed_with(toxic):
    evidence = feeling_evidence(corpus(), [str(toxic["one"])], most_classified=12)
    found = {finding.id: finding for finding in evidence.findings}
    one = found["text.feeling.classifier.toxicity"]
    assert one.n == 12 and 0 <= one.value <= 1 and str(toxic["one"]) in one.note
    assert not any(name.startswith("text.feeling.agreement") for name in found)


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="needs torch and transformers") as caught:
        load_classifier("unitary/toxic-bert")
    assert 'pip install "cityfolk[local]"' in caught.value.hint
