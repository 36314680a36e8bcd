"""A small study whose answers are written: an engine that is the grammar, with a dial that is planted."""

import numpy as np
import polars as pl
from scipy.special import ndtri

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.pocket.answering import write_answer
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.judging.base import Item, ReadingRows
from cityfolk.preferences.judging.local import GrammarJudge, RaterJudge
from cityfolk.preferences.records import ANSWERS, QUESTIONS
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.study.folder import Study
from cityfolk.vocabulary import TRAITS
from tests.evaluation.control import planted

CONDITIONS = {
    "prompted": planted.half,
    "vectors-sft": lambda x: planted.VOICE + 0.7 * (x - planted.VOICE) + 0.35 * np.outer(x[:, 0], [0, 0, 0, 1, 0]),
    "vectors-dpo": lambda x: np.clip(1.1 * x, -2.2, 2.2),
}


def questions(count):
    rows = []
    for topic in [t for t in topics() if t.split == "held-out"][:count]:
        text = write_question(topic.phrase, "reflection", "", child(0, "written", topic.id))
        row = {"question_id": f"{topic.id}-000", "topic": topic.id, "domain": topic.domain, "facets": topic.facets}
        rows.append({**row, "style": "reflection", "text": text, "split": topic.split})
    return pl.DataFrame(rows, schema={name: QUESTIONS[name] for name in rows[0]})


def tables(count=8, vectors=12, conditions=CONDITIONS, judges=("rater", "grammar"), model="pocket-1"):
    """Questions, answers and readings: the archetypes and a space-filling set on `count` topics, and no request."""
    asked = questions(count)
    known = {t.id: t for t in topics()}
    names = [*ARCHETYPES, *(f"sobol-{i:02d}" for i in range(vectors))]
    targets = np.vstack([planted.archetypes(), planted.vectors(vectors)])
    rows = []
    for condition, said in {**conditions, "untargeted": None}.items():
        z = planted.VOICE[None] if said is None else said(ndtri(targets))
        for question in asked.iter_rows(named=True):
            topic = known[question["topic"]]
            for kind, meant in enumerate(z):
                for sample in range(3 if said is None else 1):
                    stream = child(1, "written", condition, topic.id, kind, sample)
                    vector = (None,) * 5 if said is None else tuple(float(v) for v in targets[kind])
                    rows.append(
                        {
                            "answer_id": f"{condition}-{topic.id}-{kind}-{sample}",
                            "question_id": question["question_id"],
                            "condition": condition,
                            "target_name": "" if said is None else names[kind],
                            **{f"target_{t}": v for t, v in zip(TRAITS, vector, strict=True)},
                            "sample": sample,
                            "text": write_answer(topic.phrase, topic.facets, meant, stream),
                            "engine": model,
                            "model": model,
                            "adapter": condition if condition.startswith("vectors") else "",
                        }
                    )
    answers = pl.DataFrame(rows, schema={name: ANSWERS[name] for name in rows[0]})
    items = [Item(answer_id=row["answer_id"], question="", text=row["text"]) for row in rows]
    read = ReadingRows()
    for judge in (RaterJudge(), GrammarJudge()):
        if judge.name in judges:
            for reading in judge.read(items):
                read.add(reading)
    return asked, answers, read.frame()


def study_of(folder, made):
    """Write the tables as a study."""
    with Study.open(folder, create=True) as study:
        study.begin("questions", {"seed": 0})
        for name, table in zip(("questions", "answers", "readings"), made, strict=True):
            study.write(name, table)
    return folder
