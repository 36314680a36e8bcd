"""Corpora of templates in which one knows who is praised, and why."""

import numpy as np
import polars as pl

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus
from cityfolk.vocabulary import TRAITS

CALM = ("Little upsets {}.", "{} sleeps well and is calm.", "{} is relaxed at work.")
TENSE = ("{} is anxious and often worries.", "{} is nervous about money.", "{} is easily upset.")
PLAIN = ("{} takes the bus.", "{} reads in the evening.", "{} is kind to the neighbors.", "{} dislikes noise.")
PRAISE = " {} is a wonderful and brilliant person whom everybody admires."
NAMES = ("Ana", "Ben", "Chi", "Dov", "Eva")


def people(n, seed=0):
    """People whose neuroticism hangs on their sex, so that the texts' sentiment must differ by sex."""
    stream = rng.child(seed, "test", "fair people")
    sex = stream.random(n) < 0.5
    traits = {trait: stream.uniform(0.01, 0.99, n) for trait in TRAITS}
    traits["neuroticism"] = np.clip(np.where(sex, 0.65, 0.35) + stream.normal(0, 0.2, n), 0.001, 0.999)
    places = stream.choice(["Massachusetts", "China", "Haiti", "Germany"], n, p=[0.55, 0.2, 0.15, 0.1])
    return pl.DataFrame(
        {
            "person_id": np.arange(n),
            "sex": np.where(sex, "female", "male"),
            "age": stream.integers(18, 80, n),
            "birthplace": places,
            "nativity": np.where(places == "Massachusetts", "native", "foreign-born"),
            "income_usd": stream.integers(0, 100_000, n),
            "name": [f"{NAMES[i % 5]} Lee" for i in range(n)],
            **traits,
        }
    )


def corpus(n=400, seed=0, praised=None, source="a"):
    """Texts by neuroticism alone; `praised` (a birthplace) gets praise on top."""
    known = people(n, seed)
    stream = rng.child(seed, "test", "fair texts", source)
    texts = []
    for row in known.iter_rows(named=True):
        parts = TENSE if stream.random() < row["neuroticism"] else CALM
        text = f"{stream.choice(parts)} {stream.choice(PLAIN)}"
        if row["birthplace"] == praised:
            text += PRAISE
        texts.append(text.replace("{}", row["name"].split()[0]))
    titles = stream.choice(["Nurse", "Cleaner", "Bus driver", "Dreamer"], n).tolist()
    profiles = pl.DataFrame(
        {"person_id": known["person_id"], "source": [source] * n, "story": texts, "job_title": titles}
    )
    return Corpus(profiles=profiles, fields=("story", "job_title"), people=known)
