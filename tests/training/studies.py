"""A study with preference pairs in the grammar's text, made in a moment: chosen at a target, rejected at none."""

import polars as pl
from scipy.special import ndtri

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.pocket.answering import base_z, write_answer
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.records import ANSWERS, PAIRS, QUESTIONS, TARGET_COLUMNS, answer_id
from cityfolk.preferences.targets import sobol
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.study.folder import Study

RECIPE = """
dtype = "float32"
device = "cpu"
rank = 4
alpha = 8
targets = ["q_proj", "v_proj", "down_proj"]
rate = 1e-2
batch = 4
row_tokens = 1200
steps = 6
eval_every = 3
save_every = 2
answers = 4
"""


def targets(vectors):
    named = {name: vector for name, vector in ARCHETYPES.items() if name == "Diplomat"}
    return named | {target.name: target.vector for target in sobol(vectors, 0)}


def write_study(folder, *, each=1, about=8, vectors=4, name="all", short=False):
    """Write questions of `about` topics (half of them held out) with pairs for Diplomat and some vectors."""
    kinds = {
        split: [topic for topic in topics() if topic.split == split][: about // 2] for split in ("train", "held-out")
    }
    questions, answers, pairs = [], [], []
    for topic in [*kinds["train"], *kinds["held-out"]]:
        for number in range(each):
            draw = child(0, "made up", topic.id, number)
            key = f"{topic.id}-{number:03d}"
            text = write_question(topic.phrase, "reflection", topic.facets[0], draw)
            questions.append(
                {"question_id": key, "topic": topic.id, "domain": topic.domain, "facets": list(topic.facets),
                 "style": "reflection", "text": text, "split": topic.split, "seed": 0}
            )  # fmt: skip
            for target, vector in targets(vectors).items():
                z = ndtri([value for _, value in vector.items()])
                sides = []
                for sample, voice in enumerate((z, base_z(draw))):
                    said = write_answer(topic.phrase, topic.facets, voice, draw)
                    said = " ".join(said.split()[:12]) if short else said
                    named = None if sample else vector
                    side = {
                        "answer_id": answer_id(key, f"{target} {sample}", named, sample, "m", "", "h"),
                        "question_id": key, "condition": "untargeted" if sample else "prompted",
                        "target_name": "" if sample else target, "sample": sample, "text": said, "engine": "m",
                        "model": "m", "adapter": "",
                    }  # fmt: skip
                    sides.append(side)
                answers += sides
                pairs.append(
                    {"question_id": key, "topic": topic.id, "split": topic.split, "target_name": target,
                     **{c: v for c, (_, v) in zip(TARGET_COLUMNS, vector.items(), strict=True)},
                     "chosen_id": sides[0]["answer_id"], "rejected_id": sides[1]["answer_id"], "margin": 1.0,
                     "strategy": "base", "judges": ["grammar"]}
                )  # fmt: skip
    with Study.open(folder, create=True) as study:
        study.begin("questions", {"seed": 0})
        study.write("questions", pl.DataFrame(questions, schema=QUESTIONS))
        study.write("answers", pl.DataFrame(answers, schema=ANSWERS))
        study.write(f"pairs/{name}", pl.DataFrame(pairs, schema=PAIRS))
    return folder
