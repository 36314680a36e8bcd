"""Measure the shipped text rater on writers it never saw: `python scripts/check_rater.py [--answers FOLDER]`.

(1) the held-out wordings and topics of its own bank, beside the word list; (2) answers and (3) profiles
written by the embedded model's grammar at known vectors; (4) with a folder of
generated_responses_*.json, the scores that another model's judge gave.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import rater_bank
import train_rater
from cityfolk import rng as addressed
from cityfolk.evaluation.statistics import bootstrap
from cityfolk.personality import lexicon, rater
from cityfolk.personality.reference import z_from_percentile
from cityfolk.pocket.answering import read_answer, trait_of, write_answer
from cityfolk.pocket.grammar import write_profile
from cityfolk.profiles.prompts import citizen_text
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
SEED = 0
PROFILE_FIELDS = ("personality_description", "cognition", "motivations", "friends", "leisure_habits", "work_habits")
# Gerund phrases as topics for the embedded model's grammar; none is a topic of the bank.
TOPICS = ("planning a wedding", "repairing a bicycle", "sharing an office", "joining a choir", "growing vegetables")


def correlations(rating: FloatArray, truth: FloatArray) -> dict[str, Any]:
    """Return r, slopes and bias by trait of ratings (n, 5) against truth (n, 5), both in z."""
    found = {}
    for trait, name in enumerate(TRAITS):
        x, y = truth[:, trait], rating[:, trait]
        found[name] = {
            "r": round(float(np.corrcoef(x, y)[0, 1]), 3),
            "spearman": round(float(spearmanr(x, y).statistic), 3),
            "slope of rating on truth": round(float(np.polyfit(x, y, 1)[0]), 3),
            "slope of truth on rating": round(float(np.polyfit(y, x, 1)[0]), 3),
            "bias": round(float(np.mean(y - x)), 3),
        }
    return found


def bleed(rating: FloatArray, truth: FloatArray) -> list[list[float]]:
    """Return the 5 x 5 matrix of correlations: rows are true traits, columns rated ones."""
    return np.corrcoef(truth.T, rating.T)[:5, 5:].round(2).tolist()


def grammar_answers(people: int) -> dict[str, Any]:
    """Rate answers of the embedded model's grammar, five a person, each about facets of two or three traits."""
    rng = addressed.child(SEED, "check", "answers")
    z = rng.standard_normal((people, 5))
    facets = tuple(trait_of())
    texts = []
    for row in z:
        for topic in TOPICS:
            own = [facets[int(place)] for place in rng.permutation(len(facets))[:3]]
            texts.append(write_answer(topic, own, row, rng))
    raw = rater.rate_many(texts)
    placed = z_from_percentile(rater.percentiles(raw))
    known = np.array([read_answer(text).z for text in texts])
    return {
        "answers of the grammar, one": correlations(raw, np.repeat(z, 5, axis=0)),
        "answers of the grammar, mean of five": correlations(raw.reshape(people, 5, 5).mean(axis=1), z),
        "the same, percentiles back to z": correlations(placed.reshape(people, 5, 5).mean(axis=1), z),
        "the grammar's own posterior, mean of five": correlations(known.reshape(people, 5, 5).mean(axis=1), z),
        "matrix, mean of five": bleed(raw.reshape(people, 5, 5).mean(axis=1), z),
        "example": texts[0],
    }


def profiles(count: int) -> dict[str, Any]:
    """Rate profiles of the embedded model's grammar: the six fields in which personality shows, third person."""
    from pocket_citizens import NamePool, draw_citizen

    rng = addressed.child(SEED, "check", "profiles")
    names = NamePool(20)
    truth, texts = [], []
    for _ in range(count):
        citizen = draw_citizen(rng, names)
        written = write_profile(citizen_text(citizen), rng)
        texts.append(" ".join(". ".join(v) if isinstance(v, list) else v for v in (written[f] for f in PROFILE_FIELDS)))
        truth.append([value for _, value in citizen.person.personality.items()])
    return {"profiles of the grammar": correlations(rater.rate_many(texts), z_from_percentile(np.array(truth)))}


def judged(folder: Path) -> dict[str, Any]:
    """Compare with the scores (0 to 1) that another judge gave to another model's answers."""
    texts, scores, origin = [], [], []
    for path in sorted(folder.glob("generated_responses_*.json")):
        for row in json.loads(path.read_text(encoding="utf-8")):
            texts.append(row["answer"])
            scores.append([float(row["big_5"]["Score"][trait.capitalize()]) for trait in TRAITS])
            origin.append(path.stem)
    raw, truth = rater.rate_many(texts), np.array(scores)
    place = rater.percentiles(raw)
    found: dict[str, Any] = {"answers": len(texts)}
    for trait, name in enumerate(TRAITS):
        row = {}
        for label, statistic in (("pearson", _pearson), ("spearman", _spearman)):
            stream = addressed.child(SEED, "check", "judged", name, label)
            made = bootstrap(statistic, raw[:, trait], truth[:, trait], stream=stream)
            row[label] = [round(made.value, 3), round(made.low, 3), round(made.high, 3)]
        row["mean percentile"] = round(float(place[:, trait].mean()), 3)
        row["mean score of the judge"] = round(float(truth[:, trait].mean()), 3)
        row["sd of raw"] = round(float(raw[:, trait].std()), 3)
        found[name] = row
    return found


def beside_the_word_list(people: int) -> dict[str, Any]:
    """Compare with the word list on held-out answers of the bank: what each reads, and how alike they err."""
    found = {}
    for trait, name in enumerate(TRAITS):
        z, texts, _ = train_rater.answers(f"measure-{name}", people, frozenset({rater_bank.HELD_OUT}), True, trait)
        truth, row = np.repeat(z[:, trait], 5), {}
        single = {"rater": rater.rate_many(texts)[:, trait], "word list": lexicon.rate_many(texts)[:, trait]}
        for label, scores in single.items():
            row[f"{label}, five"] = round(_pearson(scores.reshape(people, 5).mean(axis=1), z[:, trait]), 3)
        errors = [scores - np.polyval(np.polyfit(truth, scores, 1), truth) for scores in single.values()]
        row["r between them"] = round(_pearson(*single.values()), 3)
        row["r between their errors"] = round(_pearson(*errors), 3)
        found[name] = row
    return {"beside the word list": found}


def _pearson(x: FloatArray, y: FloatArray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def _spearman(x: FloatArray, y: FloatArray) -> float:
    return float(spearmanr(x, y).statistic)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure the shipped text rater")
    parser.add_argument("--answers", type=Path, help="folder with generated_responses_*.json")
    parser.add_argument("--people", type=int, default=300)
    options = parser.parse_args()
    show(beside_the_word_list(options.people))
    show(grammar_answers(options.people))
    show(profiles(options.people))
    if options.answers is not None:
        show(judged(options.answers))


def show(found: dict[str, Any]) -> None:
    """Print figures, a line each."""
    for name, value in found.items():
        if isinstance(value, dict) and all(isinstance(inner, dict) for inner in value.values()):
            print(name)
            for key, inner in value.items():
                print(f"  {key:18}", "  ".join(f"{k} {v}" for k, v in inner.items()))
        else:
            print(name, value)


if __name__ == "__main__":
    main()
