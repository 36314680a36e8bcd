"""Engines whose control is known by construction, as tables of readings: what is asked for is turned into what is read.

Each answer is `said(x)` of the z asked for, plus what its topic does to everybody, plus noise of its own and the
judge's. Topics and noise are drawn by the seed.
"""

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri
from scipy.stats.qmc import Sobol

from cityfolk.evaluation.control import Trials
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.rng import child
from cityfolk.vocabulary import TRAITS

VOICE = np.array([0.2, 0.4, 0.1, 0.9, -0.6])
TOPIC, NOISE = 0.25, 0.5
INNER = ndtri(0.8)


def obeys(x):
    return x


def ignores(x):
    return np.broadcast_to(VOICE, x.shape)


def half(x):
    return VOICE + 0.5 * (x - VOICE)


def drags(x):
    """Agreeableness rises by half of what is asked of openness."""
    y = x.copy()
    y[:, 3] = x[:, 3] + 0.5 * x[:, 0]
    return y


def saturates(x):
    """The dial stops at the 20th and 80th percentile."""
    return np.clip(x, -INNER, INNER)


def vectors(n=64, seed=0):
    """A space-filling set in the cube of percentiles .02 to .98."""
    sequence = Sobol(5, scramble=True, rng=child(seed, "vectors"))
    points = sequence.random_base2((n - 1).bit_length())[:n]
    return (0.02 + 0.96 * points).round(4)


def archetypes():
    return np.array([[value for _, value in one.items()] for one in ARCHETYPES.values()])


def rows(
    said, seed=0, *, targets=None, topics=10, each=1, condition="prompted", judges=("judge",), noise=NOISE, **more
):
    """Readings of one condition; `each` questions a topic. `names` are those of the targets, `model` the model's."""
    targets = vectors() if targets is None else targets
    names = more.get("names") or [f"sobol-{i:02d}" for i in range(len(targets))]
    plain = condition == "untargeted"
    asked = np.zeros((1, 5)) + 0.5 if plain else targets
    stream = child(seed, "planted", condition)
    shared = child(seed, "planted", "topics").normal(0, TOPIC, (topics, 5))
    topic = np.repeat(np.arange(topics), each * len(asked))
    question = np.repeat(np.arange(topics * each), len(asked))
    kind = np.tile(np.arange(len(asked)), topics * each)
    meant = said(ndtri(asked))[kind] + shared[topic] + stream.normal(0, noise, (len(kind), 5))
    frames = []
    for judge in judges:
        z = np.clip(meant + child(seed, "planted", condition, judge).normal(0, 0.2, meant.shape), -3.2, 3.2)
        frame = {
            "answer_id": [f"{condition}-{more.get('model', 'm')}-{i:06d}" for i in range(len(kind))],
            "condition": condition,
            "model": more.get("model", "m"),
            "topic": [f"topic-{i:02d}" for i in topic],
            "question_id": [f"q-{t:02d}-{i % each}" for t, i in zip(topic, question, strict=True)],
            "target_name": ["" if plain else names[i] for i in kind],
            **{
                f"target_{t}": pl.Series([None] * len(kind) if plain else asked[kind, i], dtype=pl.Float64)
                for i, t in enumerate(TRAITS)
            },
            "judge": judge,
            **{f"z_{t}": z[:, i] for i, t in enumerate(TRAITS)},
            **{f"raw_{t}": ndtr(z[:, i]) for i, t in enumerate(TRAITS)},
        }
        frames.append(pl.DataFrame(frame))
    return pl.concat(frames)


def trials(*frames, seed=0, scales=None):
    table = pl.concat(frames)
    return Trials(rows=table, scales=scales or dict.fromkeys(table["judge"].unique(), "percentile"), seed=seed)


def voice(seed=0, **more):
    """Answers without a request: the model's own voice."""
    return rows(ignores, seed, condition="untargeted", **{"each": 4, **more})
