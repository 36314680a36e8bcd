"""What is there twice, and what is in both splits.

Copies, exact but for case and punctuation, and near ones (`texts.near`: six tenths of the pairs of words shared within
a topic, eight tenths across topics):
`pairs.copies.questions` and `pairs.copies.questions.near` are shares of questions that say what an earlier one says;
`pairs.copies.answers` is the share of answers that repeat another's text word for word, outside where it is surely
above `MOST_COPIES`, and `pairs.copies.answers.near` the share that share half their runs of three words with another.

Leakage from held-out to train, all of which must be none: `pairs.leak.topics`, topics in more than one split;
`pairs.leak.questions`, held-out questions that train has too, exactly or nearly; `pairs.leak.pairs@NAME`, pairs that
stand in another split than their question does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from cityfolk import rng
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.preferences.tables import Preferences, finding
from cityfolk.evaluation.preferences.verdicts import Tested
from cityfolk.evaluation.statistics import Estimate, share_above
from cityfolk.texts.duplicates import near_copies
from cityfolk.texts.near import Distinct, normal_form
from cityfolk.texts.tokens import tokenize_texts
from cityfolk.types import Finding, Verdict

MOST_COPIES = 0.05
MOST_READ = 20_000  # answers that are compared with one another for near copies
_NAMED = 8  # examples that a note or a picture gives


def copies(data: Preferences, *, answers: bool = True) -> Iterator[Tested | Detail]:
    """Yield what is there twice among questions and, if asked for, among answers."""
    if data.questions.height:
        yield from _questions(_texts(data.questions))
    written = data.answers["text"].fill_null("").to_list() if answers else []
    if written:
        yield from _answers(data, written)


def _texts(questions: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (text, topic) of questions, in the order of their ids."""
    return [
        (text or "", topic or "") for text, topic in questions.sort("question_id").select("text", "topic").iter_rows()
    ]


def _questions(texts: list[tuple[str, str]]) -> Iterator[Tested | Detail]:
    kept = Distinct.over(text for text, _ in texts)
    counts = {"exact": 0, "near": 0}
    originals: list[str] = []
    shown = 0
    for text, topic in texts:
        outcome, twin, _ = kept.add(text, topic)
        if outcome == "new":
            originals.append(text)
            continue
        counts[outcome] += 1
        if shown < _NAMED and twin is not None:
            shown += 1
            yield Detail(name="pairs.twins", source="questions", label=outcome, group=originals[twin], text=text)
    n = len(texts)
    for outcome, name, words in (
        ("exact", "copies.questions", "that say word for word what another says"),
        ("near", "copies.questions.near", "that say nearly what another says"),
    ):
        count = counts[outcome]
        found = Estimate(count / n, *wilson(count, n))
        note = f"{count:,} questions beyond the first of their kind; there should be none"
        verdict: Verdict = "outside" if count else "inside"
        yield Tested(finding(name, f"Questions {words}", found, n, "share", note, expected=0.0, verdict=verdict))


def _answers(data: Preferences, texts: list[str]) -> Iterator[Tested]:
    n = len(texts)
    forms = pl.Series([normal_form(text) for text in texts])
    count = n - forms.n_unique()
    found = Estimate(count / n, *wilson(count, n))
    note = "case and punctuation aside; the first of a kind does not count; expected: at most"
    repeated = finding(
        "copies.answers", "Answers that repeat another word for word", found, n, "share", note, expected=MOST_COPIES
    )
    yield Tested(repeated, share_above(count, n, MOST_COPIES))
    if n > MOST_READ:
        drawn = rng.child(data.seed, "evaluation", "preferences", "copies").choice(n, MOST_READ, replace=False)
        texts = [texts[i] for i in np.sort(drawn)]
    twins = near_copies(tokenize_texts(texts), data.seed).copies
    share = Estimate(twins / len(texts), *wilson(twins, len(texts)))
    note = "half of the runs of three words shared" + (
        f"; among {MOST_READ:,} drawn at random" if n > MOST_READ else ""
    )
    yield Tested(finding("copies.answers.near", "Answers that nearly repeat another", share, len(texts), "share", note))


def leakage(data: Preferences) -> Iterator[Tested]:
    """Yield what is in both splits."""
    questions = data.questions
    yield Tested(_leaked_topics(questions))
    yield Tested(_leaked_questions(questions))
    own = questions.select("question_id", own_split="split", own_topic="topic")
    for name, pairs in data.pairs.items():
        joined = pairs.join(own, on="question_id", how="left")
        wrong = joined.filter(
            pl.col("own_split").is_null()
            | (pl.col("split") != pl.col("own_split"))
            | (pl.col("topic") != pl.col("own_topic"))
        )
        title = f"Pairs of {name} that stand in another split or topic than their question"
        yield Tested(
            _must_be_none(f"leak.pairs@{name}", title, wrong.height, pairs.height, wrong["topic"].unique().to_list())
        )


def _leaked_topics(questions: pl.DataFrame) -> Finding:
    splits = questions.group_by("topic").agg(pl.col("split").n_unique().alias("splits"))
    both = splits.filter(pl.col("splits") > 1)["topic"].to_list()
    return _must_be_none("leak.topics", "Topics that are in more than one split", len(both), splits.height, both)


def _leaked_questions(questions: pl.DataFrame) -> Finding:
    held = _texts(questions.filter(pl.col("split") == "held-out"))
    train = _texts(questions.filter(pl.col("split") != "held-out"))
    # Two sets, so that a text is compared with every question of the other split and not only with those kept.
    known = Distinct.over(text for text, _ in (*train, *held))
    for text, topic in train:
        known.keep(text, topic)
    found = [text for text, topic in held if known.look(text, topic).outcome != "new"]
    title = "Held-out questions that train has too, exactly or nearly"
    return _must_be_none("leak.questions", title, len(found), len(held), found)


def _must_be_none(name: str, title: str, count: int, n: int, which: list[str]) -> Finding:
    named = sorted(str(one) for one in which)[:_NAMED]
    note = "what was trained on must not be tested on" + (f"; such as {'; '.join(named)}" if named else "")
    return finding(name, title, float(count), n, "count", note, expected=0.0, verdict="outside" if count else "inside")
