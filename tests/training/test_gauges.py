"""Measured control, by voices whose vector is known: the grammar's own text at the target, at none, or in between."""

import json

import numpy as np
import pytest
from scipy.special import ndtri

from cityfolk.errors import StudyError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.pocket.answering import BASE_VOICE, base_z, write_answer
from cityfolk.preferences.targets import Target, sobol
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages.adapters import adapter_engine
from cityfolk.stages.train_control import (
    Asked,
    PersonaGauge,
    VectorGauge,
    as_rated,
    dial,
    persona_score,
    vectors_score,
)
from cityfolk.training.job import score
from cityfolk.vocabulary import TRAITS
from tests.training.runs import write_run

DIPLOMAT = Target(name="Diplomat", vector=ARCHETYPES["Diplomat"])


def asked(targets, n):
    about = [topic for topic in topics() if topic.split == "held-out"]
    chosen = [(about[place % len(about)], targets[place % len(targets)]) for place in range(n)]
    return [Asked(id=t.id, question=f"What of {t.phrase}?", topic=t.id, target=target) for t, target in chosen]


class Speaker:
    """Writes the grammar's text part of the way from the voice of nobody to the vector asked for."""

    def __init__(self, gauge, share):
        self.gauge, self.share = gauge, share

    def answers(self, messages, *, plain=False):
        assert len(messages) == len(self.gauge.asked)
        known = {topic.id: topic for topic in topics()}
        texts = []
        for place, one in enumerate(self.gauge.asked):
            draw = child(1, "speaker", place)
            start, end = base_z(draw), ndtri([value for _, value in one.target.vector.items()])
            share = 0.0 if plain else self.share
            topic = known[one.topic]
            texts.append(write_answer(topic.phrase, topic.facets, start + share * (end - start), draw))
        return texts


def test_a_persona_that_is_reached_half_reached_and_not_reached():
    gauge = PersonaGauge(asked([DIPLOMAT], 48), 0)
    before = gauge.start(Speaker(gauge, 0.0))
    assert before.told["reader"] == "grammar"
    far = {trait for trait in TRAITS if abs(BASE_VOICE[trait] - dict(ARCHETYPES["Diplomat"].items())[trait]) > 0.16}
    # Conscientiousness lies .12 from its target in truth, which 48 answers may read as .15.
    shares = {trait: share for trait, share in before.told["closed"].items() if share is not None}
    assert far <= set(shares) <= far | {"conscientiousness"} and set(shares.values()) == {0.0}
    found = [gauge.read(Speaker(gauge, share)) for share in (0.0, 0.5, 1.0)]
    assert found[0].score < found[1].score < found[2].score and found[2].score > 0.75
    assert all(found[2].told["closed"][trait] > 0.7 for trait in far)
    rated = [share for share in found[2].told["closed_rater"].values() if share is not None]
    assert rated and min(rated) > 0.5
    assert len(found[0].samples) == 6 and found[0].samples[0]["target_name"] == "Diplomat"


def test_the_rater_is_measured_by_the_grammars_own_text():
    aim = as_rated(asked([DIPLOMAT], 8), np.array([0.9, 0.5, 0.45, 0.9, 0.6]), 0)
    assert aim[0] > 0.75 and aim[3] > 0.75 and abs(aim[1] - 0.5) < 0.2


def test_vectors_that_are_followed_and_not_followed():
    gauge = VectorGauge(asked(list(sobol(16, 3)), 64))
    gauge.start(Speaker(gauge, 0.0))
    none, half, all_of_it = (gauge.read(Speaker(gauge, share)) for share in (0.0, 0.5, 1.0))
    assert all_of_it.told["reader"] == "grammar" and none.score < 0.3 < half.score < all_of_it.score
    for trait in TRAITS:
        assert all_of_it.told["spearman"][trait] > 0.9 and 0.75 < all_of_it.told["slope"][trait] < 1.2
        assert 0.3 < half.told["slope"][trait] < 0.75


def test_scores_by_hand():
    assert score(None, None) is None and score(0.75, None) == 0.5 and score(None, -0.2) == -0.2
    assert score(0.75, 0.3) == pytest.approx(0.4)
    # One trait closes .75 of .4, one overshoots all of .2 (0), the others stay within .1, .15 and .4 of the target.
    tuned, untuned = [0.8, 1.0, 0.5, 0.45, 0.1], [0.5, 0.6, 0.45, 0.6, 0.5]
    target = [0.9, 0.8, 0.45, 0.6, 0.5]
    assert persona_score(tuned, untuned, target) == pytest.approx(np.mean([0.75, 0.0, 1.0, 0.5, -1.0]))
    grid = np.linspace(-2, 2, 9)[:, None] * np.ones(5)
    slopes, rhos = dial(grid * [1, 0.5, -1, 0, 2], grid)
    assert [slopes[trait] for trait in TRAITS] == pytest.approx([1, 0.5, -1, 0, 2])
    assert rhos.pop("agreeableness") is None and list(rhos.values()) == pytest.approx([1, 1, -1, 1])
    rhos["agreeableness"] = None
    assert vectors_score(slopes, rhos) == pytest.approx(np.mean([1, 0.75, -1, 0, 0.5]))
    assert dial(grid, grid * 0)[0]["openness"] is None


def test_a_trained_adapter_as_an_engine(tmp_path):
    write_run(tmp_path / "adapters" / "diplomat")
    write_run(tmp_path / "adapters" / "vectors", kind="vectors")
    assert adapter_engine(tmp_path, "diplomat") == (f"pocket+{tmp_path}/adapters/diplomat", "Diplomat")
    assert adapter_engine(tmp_path, "vectors") == (f"pocket+{tmp_path}/adapters/vectors", "")
    (tmp_path / "adapters" / "vectors" / "recipe.toml").write_text(f"model = {json.dumps(str(tmp_path))}\n")
    assert adapter_engine(tmp_path, "vectors")[0] == f"hf:{tmp_path}+{tmp_path}/adapters/vectors"
    (tmp_path / "adapters" / "begun").mkdir()
    with pytest.raises(StudyError, match="has not ended"):
        adapter_engine(tmp_path, "begun")
    with pytest.raises(UsageError, match="no adapter 'none'") as refused:
        adapter_engine(tmp_path, "none")
    assert refused.value.hint == "it has diplomat, vectors"
