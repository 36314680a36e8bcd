"""`import` of questions that others made: each distinct one once, under its topic, with a split by topic."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.errors import DataError, StudyError
from cityfolk.imports.questions import read_questions
from cityfolk.preferences.maker import question_id
from cityfolk.preferences.records import QUESTIONS, SPLITS
from cityfolk.preferences.topics import topics
from cityfolk.rng import derive
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import sha256
from cityfolk.study.folder import Study
from cityfolk.texts.near import ACROSS, THRESHOLD, Distinct
from cityfolk.types import Failure

STAGE = "import"
_HELD_OUT = (4, 21)  # 40 of 210 topics of our own
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def import_questions(study: Study, files: Sequence[Path], *, step: Step = quiet) -> dict[str, Any]:
    """Read files of questions into a study: questions.parquet with the distinct ones, and the account of the others.

    A copy is equal to an earlier question but for case, punctuation and spaces, under whatever topic; it is left out.
    Near copies are counted and kept. Topics that aren't ours are split by `split_of`; engine and style are null.
    """
    others = sorted(set(study.manifest["stages"]) & {"people", "write", "questions", "answer"})
    if others:
        raise StudyError(
            f"{study.folder} holds what `{others[0]}` made", hint="import into a folder of its own with --out"
        )
    read = []
    for number, path in enumerate(files):
        step(STAGE, number, len(files), path.name)
        read.append(read_questions(path))
    account = _Account()
    table = account.table([record for one in read for record in one.records])
    if not table.height:
        raise DataError(f"{', '.join(map(str, files))} holds no question", hint="check the file")
    identity = [{"name": path.name, "sha256": sha256(path)} for path in files]
    study.begin(STAGE, {"files": identity, "kind": "questions"})
    study.work(STAGE)
    titles = json.dumps(account.titles, ensure_ascii=False)
    study.write("questions", table, metadata={"cityfolk.topics": titles})
    failures = [
        Failure(key=f"{path.name}:{lost.at}", stage=STAGE, label=path.name, reason=lost.reason, raw=lost.excerpt)
        for path, one in zip(files, read, strict=True)
        for lost in one.lost
    ]
    study.replace_failures(STAGE, failures)
    facts = {
        "records": sum(len(one.records) for one in read),
        "questions": table.height,
        "topics": table["topic"].n_unique(),
        "identical_within_topics": account.identical_within,
        "identical_across_topics": account.identical_across,
        "alike_but_for_form": account.alike,
        "near_within_topics": account.near_within,
        "near_across_topics": account.near_across,
        "near_threshold_within_topics": THRESHOLD,
        "near_threshold_across_topics": ACROSS,
        "held_out_topics": table.filter(pl.col("split") == SPLITS[1])["topic"].n_unique(),
        "lost": len(failures),
    }
    study.finish(STAGE, **facts)
    step(STAGE, len(files), len(files), "")
    return {**facts, "folder": str(study.folder)}


def split_of(topic: str) -> str:
    """Return the split of a topic by its id alone: four topics in 21 are held out, by a hash that never changes."""
    held_out, of = _HELD_OUT
    return SPLITS[derive(0, "split of topics", topic) % of < held_out]


@dataclass(slots=True)
class _Account:
    """How many questions were copies. The first two compare letter by letter, `alike` by the normal form."""

    identical_within: int = 0
    identical_across: int = 0
    alike: int = 0
    near_within: int = 0
    near_across: int = 0
    titles: dict[str, str] = field(default_factory=dict)

    def table(self, records: Sequence[tuple[str, str]]) -> pl.DataFrame:
        """Return the distinct questions as a table, numbered in the order of the records under each topic."""
        ours = {name.casefold(): one for one in topics() for name in (one.id, one.phrase)}
        distinct = Distinct.over(text for _, text in records)
        within, texts = set[tuple[str, str]](), set[str]()
        count: dict[str, int] = {}
        rows = []
        for title, text in records:
            known = ours.get(title.casefold())
            topic = known.id if known else _slug(title)
            self.titles.setdefault(topic, known.title if known else title)
            seen = distinct.add(text, topic)
            if text in texts:
                self.identical_within += (topic, text) in within
                self.identical_across += (topic, text) not in within
            elif seen.outcome == "exact":
                self.alike += 1
            else:
                self.near_within += seen.outcome == "near" and seen.group == topic
                self.near_across += seen.outcome == "near" and seen.group != topic
                number = count.get(topic, 0)
                count[topic] = number + 1
                about = (known.domain, list(known.facets)) if known else (None, [])
                split = known.split if known else split_of(topic)
                rows.append((question_id(topic, number), topic, *about, None, text, split, None, None, None, None))
            within.add((topic, text))
            texts.add(text)
        return pl.DataFrame(rows, schema=QUESTIONS, orient="row").sort("question_id")


def _slug(title: str) -> str:
    return _NOT_SLUG.sub("-", title.casefold()).strip("-")[:60].strip("-") or "untitled"
