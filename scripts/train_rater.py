"""Train the text rater and measure it: `python scripts/train_rater.py [--out FILE] [--figures FILE]`.

1. Sentences of known expression from the phrase bank; a ridge regression for each trait, with word dropout in its exact
   marginal form (Wager, Wang, Liang 2013: the penalty of a feature grows with how often it occurs).
2. The constants of the pooling formula, on answers made of wordings that the regression hadn't seen (four folds).
3. Measured on wordings and topics held out from both.
Numpy and scipy, one core, a few minutes; the same seed gives the same file.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg

import rater_bank as bank
from cityfolk import rng as addressed
from cityfolk.personality import rater
from cityfolk.personality.rater_text import features, sentences
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
PER_PHRASE, NEUTRAL = 14, 6000
TRAINED = frozenset(range(bank.FOLDS)) - {bank.HELD_OUT}
# Penalties by kind of feature: single words and pairs are trusted less than families, which many phrases share.
RIDGE = {"w": 120.0, "n": 150.0, "f": 1.5, "g": 30.0, "l": 1.0, "b": 120.0, "p": 50.0}
DROPOUT = 0.2
FEWEST = {"w": 2, "n": 3, "f": 1, "g": 3, "l": 1, "b": 3, "p": 3}
TAU = 0.35
LEAST_SPREAD = 0.35
"""However long a text, it is one occasion: its spread stays above this."""
OUT = Path(__file__).parents[1] / "src" / "cityfolk" / "personality" / "rater.json"
Rows = list[tuple[dict[str, float], int, FloatArray]]


def examples(folds: frozenset[int]) -> Rows:
    """Return sentences as (features, number of the phrase, what is expressed of each trait)."""
    rows: Rows = []
    for number, phrase in enumerate(bank.phrases()):
        if phrase.fold not in folds:
            continue
        rng = addressed.child(bank.SEED, "examples", phrase.facet, phrase.pole, phrase.text)
        for _ in range(PER_PHRASE):
            turned = bank.turns(phrase) and rng.random() < 0.2
            level = -0.8 if turned else float(rng.uniform(0.3, 2.1))
            text, expressed = bank.sentence(phrase, level, rng)
            target = np.zeros(len(TRAITS))
            target[phrase.trait] = expressed
            rows.append((merged(text), number, target))
    rng = addressed.child(bank.SEED, "neutral")
    topics = [topic for topic in bank.topics() if not topic.held_out]
    for number in range(NEUTRAL):
        text = bank.neutral(bank.pick(topics, rng), rng)
        rows.append((merged(text), -1 - number % 400, np.zeros(len(TRAITS))))
    return rows


def merged(text: str) -> dict[str, float]:
    """Return the features of a text that is one sentence (or two: a line with a semicolon)."""
    found: dict[str, float] = {}
    for tokens in sentences(text):
        found |= features(tokens)
    return found


def vocabulary(rows: Rows) -> dict[str, int]:
    """Return the features that occur in enough phrases, in alphabetical order."""
    seen = Counter(name for name, _ in {(name, number) for found, number, _ in rows for name in found})
    kept = sorted(name for name, count in seen.items() if count >= FEWEST[name[0]])
    return {name: place for place, name in enumerate(kept)}


def fit(rows: Rows) -> tuple[dict[str, int], FloatArray]:
    """Return the features and their weights (F, 5)."""
    names = vocabulary(rows)
    places, values, starts = [], [], [0]
    for found, _, _ in rows:
        for name, value in found.items():
            if name in names:
                places.append(names[name])
                values.append(value)
        starts.append(len(places))
    x = csr_matrix((values, places, starts), shape=(len(rows), len(names)))
    y = np.array([target for _, _, target in rows])
    penalty = np.array([RIDGE[name[0]] for name in names]) * PER_PHRASE / 10.0
    penalty = penalty + DROPOUT / (1.0 - DROPOUT) * np.asarray(x.multiply(x).sum(axis=0)).ravel()
    diagonal = penalty + np.asarray(x.multiply(x).sum(axis=0)).ravel()
    xt = x.T.tocsr()
    normal = LinearOperator((len(names),) * 2, matvec=lambda v: xt @ (x @ v) + penalty * v, dtype=np.float64)
    jacobi = LinearOperator((len(names),) * 2, matvec=lambda v: v / diagonal, dtype=np.float64)
    columns = [cg(normal, xt @ y[:, trait], rtol=1e-6, maxiter=500, M=jacobi)[0] for trait in range(len(TRAITS))]
    return names, np.stack(columns, axis=1)


def untuned(names: dict[str, int], matrix: FloatArray) -> rater.Weights:
    """Return weights with constants still at 1."""
    one = np.ones(len(TRAITS))
    return rater.Weights(
        rows=names,
        matrix=matrix,
        tau=TAU,
        center=0.0 * one,
        k=one,
        slope=one,
        stretch=one,
        sd_floor=0.5 * one,
        sd_half=one,
    )


def answers(
    label: str, count: int, folds: frozenset[int], held_out: bool, trait: int | None = None
) -> tuple[FloatArray, list[str], NDArray[np.bool_]]:
    """Return z (n, 5), five answers a person in turn (5 n), and which trait each is meant to show (5 n, 5).

    With a trait, all five are on topics that carry it.
    """
    z, people = bank.people(count, label)
    rng = addressed.child(bank.SEED, "answers", label)
    topics = [topic for topic in bank.topics() if topic.held_out == held_out]
    topics = [topic for topic in topics if trait is None or trait in map(bank.facets().__getitem__, topic.facets)]
    texts, shown = [], []
    for person in people:
        used: set[str] = set()
        for place in rng.permutation(len(topics))[:5]:
            focus = bank.focus_of(topics[int(place)], rng, trait)
            texts.append(bank.answer(person, topics[int(place)], focus, folds, rng, used))
            shown.append([any(bank.facets()[facet] == number for facet in focus) for number in range(len(TRAITS))])
    return z, texts, np.array(shown)


def tune(rows: Rows) -> dict[str, list[float]]:
    """Return the constants of the pooling formula, from wordings that the regression had not seen."""
    parts = []
    for fold in sorted(TRAINED):
        inside = [row for row in rows if row[1] < 0 or bank.phrases()[row[1]].fold != fold]
        weights = untuned(*fit(inside))
        z, texts, shown = answers(f"tune-{fold}", 300, frozenset({fold}), held_out=False)
        parts.append((np.repeat(z, 5, axis=0), *rater.sums(texts, weights), shown))
    return constants(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def constants(z: FloatArray, total: FloatArray, evidence: FloatArray, relevant: NDArray[Any]) -> dict[str, list[float]]:
    """Return the constants of each trait: k by the least squared error, the rest by regression."""
    found: dict[str, list[float]] = {"center": [], "k": [], "slope": [], "stretch": [], "sd_floor": [], "sd_half": []}
    for trait in range(len(TRAITS)):
        truth, amount = z[:, trait], evidence[:, trait]
        center = float(total[:, trait].sum() / amount.sum())
        sums = total[:, trait] - center * amount
        best = (np.inf, 0.0, 0.0)
        for k in np.geomspace(0.1, 8.0, 30):
            score = sums / (amount + k)
            slope = float(score @ truth / (score @ score))
            best = min(best, (float(np.mean((truth - slope * score) ** 2)), float(k), slope))
        _, k, slope = best
        raw = slope * sums / (amount + k)
        on = relevant[:, trait]
        stretch = float((truth[on] @ truth[on]) / (truth[on] @ raw[on]))
        squared = (truth - raw) ** 2
        floor, half = _spread(amount, squared)
        values = (center, k, slope, stretch, floor, half)
        for name, value in zip(found, values, strict=True):
            found[name].append(round(float(value), 4))
    return found


def _spread(amount: FloatArray, squared: FloatArray) -> tuple[float, float]:
    """Return floor and half of SD^2 = floor^2 + (1 - floor^2) half / (half + evidence), by least squares."""
    best = (np.inf, 0.0, 1.0)
    for half in np.geomspace(0.05, 10.0, 40):
        share = half / (half + amount)
        design = (1.0 - share)[:, None]
        weight, error = nnls(design, squared - share)
        best = min(best, (float(error), float(np.sqrt(weight[0])), float(half)))
    return min(max(best[1], LEAST_SPREAD), 0.999), best[2]


def measure(weights: rater.Weights, people: int = 400) -> dict[str, dict[str, float]]:
    """Return by trait what the rater does with held-out wordings on held-out topics, five answers a person."""
    found = {}
    for trait, name in enumerate(TRAITS):
        z, texts, _ = answers(f"measure-{name}", people, frozenset({bank.HELD_OUT}), True, trait)
        total, evidence = rater.sums(texts, weights)
        raw = rater.raw_from(total, evidence, weights)[:, trait].reshape(people, 5)
        spread = rater.spread_at(evidence, weights)[:, trait].reshape(people, 5)
        truth, placed = z[:, trait], (raw * weights.stretch[trait]).mean(axis=1)
        found[name] = {
            "r over five answers": _r(raw.mean(axis=1), truth),
            "r of one answer": _r(raw.ravel(), np.repeat(truth, 5)),
            "slope of truth on one raw score": float(np.polyfit(raw.ravel(), np.repeat(truth, 5), 1)[0]),
            "slope of stretched rating on truth": float(np.polyfit(truth, placed, 1)[0]),
            "bias of raw": float(np.mean(raw.mean(axis=1) - truth)),
            "bias of stretched rating": float(np.mean(placed - truth)),
            "share of truths within 1.645 spreads": float(np.mean(np.abs(raw - truth[:, None]) < 1.645 * spread)),
        }
    return {name: {key: round(value, 3) for key, value in row.items()} for name, row in found.items()}


def _r(x: FloatArray, y: FloatArray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def document(names: dict[str, int], matrix: FloatArray, tuned: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of rater.json; features whose weights all round to nothing are left out."""
    whole = np.round(matrix * 1000.0).astype(int)
    table = {name: whole[row].tolist() for name, row in names.items() if np.abs(whole[row]).max() >= 5}
    return {"instrument": rater.INSTRUMENT, "constants": {"tau": TAU, **tuned}, "features": table}


def written(contents: dict[str, Any]) -> str:
    """Return rater.json as text, one feature a line."""
    lines = ",\n".join(
        f" {json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in contents["features"].items()
    )
    head = {key: contents[key] for key in ("instrument", "constants")}
    return json.dumps(head, indent=1)[:-2] + ',\n "features":{\n' + lines + "\n}}\n"


def train() -> dict[str, Any]:
    """Return the contents of rater.json."""
    rows = examples(TRAINED)
    tuned = tune(rows)
    return document(*fit(rows), tuned)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    contents = train()
    options.out.write_text(written(contents), encoding="utf-8")
    print(f"{options.out}: {len(contents['features'])} features, {options.out.stat().st_size:,} bytes")
    print(json.dumps(contents["constants"], indent=1))
    for trait, row in measure(rater.weights_from(contents)).items():
        print(trait, json.dumps(row))


if __name__ == "__main__":
    main()
