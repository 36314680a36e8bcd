"""The part "culture" of control: the same vectors told of people of many backgrounds, in free text on held-out topics.

The four archetypes and the ten poles of the traits answer one question a topic. Every answer has a background beside
its vector: a nationality and a language of upbringing, or a sex, an age and a religion (see `backgrounds` for how they
are dealt out). The answers have a table of their own, since none of them was asked for without a background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from cityfolk.evaluation.control.backgrounds import PROMPTS, WHERE, WHO, Background, backgrounds
from cityfolk.evaluation.control.cultures import EMOTION, PERSONALITY, SENTIMENT, Read, cultures_evidence
from cityfolk.evaluation.control.upbringings import brought_up
from cityfolk.evaluation.feeling.classifiers import Classifier, load_classifier
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, score
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.preferences.answers import MAX_TOKENS, TEMPERATURE, is_refusal, parse_answer
from cityfolk.preferences.judging.base import Item, ReadingRows
from cityfolk.preferences.judging.registry import kind_of, load_judge
from cityfolk.preferences.judging.scale import calibrated, judge_z
from cityfolk.preferences.prompts import ANSWER, answer_messages, answer_prompt_hash
from cityfolk.preferences.records import READINGS
from cityfolk.stages.ask_control import AskOptions, control_questions
from cityfolk.stages.control_arms import SPEAKER, corners, respondents_of, respondents_planned, with_arms
from cityfolk.stages.control_estimates import estimated
from cityfolk.stages.control_jobs import Speaker, asking, speakers_of
from cityfolk.stages.judge import DEFAULT_JUDGES
from cityfolk.stages.judge_tables import read_calibrations
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import Study
from cityfolk.types import Finding, Reply, Request, Sampling, content_key
from cityfolk.vocabulary import TRAITS

NAME = VERB = "culture"
TABLE, READ, DETAILS = "cultures", "culture_readings", "culture_details"
WORDS = "words"
"""What the shipped word lists of sentiment and emotion are called as a reader."""
FACTORS = (*WHERE, *WHO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is asked: topics, and backgrounds of both kinds for each topic and vector."""

    topics: int
    where: int
    who: int

    def answers(self, respondents: int) -> int:
        """Return how many answers so many respondents give."""
        return respondents * self.topics * (self.where + self.who)


SIZES = MappingProxyType(
    {
        "quick": Size(topics=8, where=3, who=2),
        "standard": Size(topics=10, where=10, who=7),
        "full": Size(topics=20, where=20, who=14),
    }
)
"""560, 2,380 and 9,520 answers of a model."""
CULTURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "question_id": pl.String,
    "question": pl.String,
    **SPEAKER,
    **dict.fromkeys(FACTORS, pl.String),
    "text": pl.String,
    "finish": pl.String,
    "prompt": pl.String,
    "prompt_hash": pl.String,
    "temperature": pl.Float64,
    "seed": pl.Int64,
}
"""cultures.parquet, one row an answer; a factor is "" where the request doesn't say it."""
SORTED_BY = ("engine", "model", "adapter", "condition", "question_id", "respondent_id", *FACTORS)


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked; with a study also what is open, tokens and cost."""
    size, respondents = SIZES[options.preset], respondents_planned(options, len(corners()), voice=False)
    words = (
        f"{size.topics} topics by {respondents:,} personalities, each told with {size.where} of 20 nationalities by 10 "
        f"languages of upbringing and {size.who} of 70 combinations of sex, age and religion"
    )
    told: dict[str, Any] = {"calls": size.answers(respondents), "words": words}
    if study is not None:
        sampling = _sampling(study.seed(options.seed))

        def asked(speaker: Speaker) -> Iterator[Request]:
            everybody = respondents_of(speaker, corners(), voice=False)
            return (one.request for one in _asked(speaker, everybody, size, sampling))

        told["asked"] = [estimated(study, speakers_of(options), asked, stage=VERB, prompt=f"{ANSWER}, {PROMPTS}")]
    return told


def _sampling(seed: int) -> Sampling:
    return Sampling(temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=seed)


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine answer and the judges in process read: cultures.parquet, culture_readings.parquet."""
    size, seed = SIZES[options.preset], study.seed(options.seed)
    sampling = _sampling(seed)
    speakers = speakers_of(options)
    config = {
        "seed": seed,
        "prompt": f"{ANSWER}, {PROMPTS}",
        "prompt_hash": prompt_hash(),
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
    }
    free = {"preset": options.preset, "topics": size.topics, "where": size.where, "who": size.who}
    rows: list[dict[str, Any]] = []
    with asking(study, options, speakers, verb=VERB, table=TABLE, config=config, free=free, step=step) as job:
        for speaker in speakers:
            everybody = respondents_of(speaker, corners(), voice=False)
            stream = (one.request for one in _asked(speaker, everybody, size, sampling))
            said = job.ask(speaker, stream, _parse, size.answers(len(everybody)))
            rows += _rows(speaker, _asked(speaker, everybody, size, sampling), said)
        made = pl.DataFrame(rows, schema=CULTURES)
        whole = job.keep(TABLE, made, ("answer_id",), SORTED_BY)
        if whole.height:
            _read(study, whole, [name for name in options.readers if kind_of(name) != "engine"], step)
        refused = sum(map(is_refusal, made["text"]))
        notices = [f"{refused:,} of {made.height:,} answers with a background are refusals"] if refused else []
        return job.conclude(notices, answers=whole.height)


def has(study: Study) -> bool:
    """Say whether anybody answered with a background."""
    return study.has(TABLE)


def evidence(study: Study, *, step: Step = quiet, classifiers: Sequence[Classifier | str] = ()) -> list[Finding]:
    """Return the findings `control.culture.`, and write the marks of their pictures: culture_details.parquet.

    `classifiers` are trained models of sentiment or emotion, or their names (`evaluation.feeling.load_classifier`);
    those of toxicity read nothing here.
    """
    loaded = [load_classifier(one) if isinstance(one, str) else one for one in classifiers]
    table = study.read(TABLE)
    answers = with_arms(table).with_columns(arm=pl.col("group"), target_name=pl.col("respondent_id"))
    step("evaluate culture", 0, 2, "reading")
    readings = _judged(study, table) if study.has(READ) else []
    readings += _felt(table["text"].to_list(), loaded)
    step("evaluate culture", 1, 2, "what explains the answers")
    found = cultures_evidence(answers, readings, seed=study.config(VERB)["seed"])
    study.write(DETAILS, details_frame(found.details))
    step("evaluate culture", 2, 2, "")
    return list(found.findings)


# -------------------------------------------------------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    question_id: str
    question: str
    respondent: Respondent
    background: Background
    request: Request


def prompt_hash() -> str:
    """Name the prompts by their words."""
    said = [one.sentence for block in range(10) for one in backgrounds(block, 20, 14)]
    return content_key([PROMPTS, answer_prompt_hash(), said])


def _asked(speaker: Speaker, everybody: Sequence[Respondent], size: Size, sampling: Sampling) -> Iterator[_Asked]:
    """Give one speaker's requests, question after question; a vector has the same backgrounds whoever is asked."""
    places = {target.name: at for at, target in enumerate(corners())}
    asked = control_questions(size.topics).select("question_id", "text")
    for number, (question_id, question) in enumerate(asked.iter_rows()):
        for respondent in everybody:
            place = places.get(respondent.respondent_id, 0)
            messages = answer_messages(question, respondent.vector if respondent.told else None)
            for background in backgrounds(number * len(places) + place, size.where, size.who):
                yield _Asked(
                    question_id=question_id,
                    question=question,
                    respondent=respondent,
                    background=background,
                    request=Request(
                        messages=brought_up(messages, background.sentence),
                        model=speaker.model,
                        sampling=sampling,
                        label=f"{question_id} {respondent.respondent_id} {background.name}",
                    ),
                )


def _parse(request: Request, reply: Reply) -> tuple[str, str]:
    return parse_answer(request, reply), reply.finish


def _rows(speaker: Speaker, asked: Iterator[_Asked], said: dict[str, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    named = prompt_hash()
    for one in asked:
        found = said.get(one.request.key)
        if found is None:
            continue
        who = speaker.columns(one.respondent)
        yield {
            "answer_id": content_key([one.request.key, who["condition"], who["respondent_id"], speaker.adapter])[:16],
            "question_id": one.question_id,
            "question": one.question,
            **who,
            **dict(one.background.items()),
            "text": found[0],
            "finish": found[1],
            "prompt": f"{ANSWER}, {PROMPTS}",
            "prompt_hash": named,
            "temperature": one.request.sampling.temperature,
            "seed": one.request.sampling.seed,
        }


# ------------------------------------------------------------------------------------------------------------- reading


def _read(study: Study, answers: pl.DataFrame, judges: Sequence[str], step: Step) -> None:
    """Have judges in process read the answers that they have not read; readings of answers that are gone go."""
    before = study.read(READ) if study.has(READ) else pl.DataFrame(schema=READINGS)
    before = before.join(answers.select("answer_id"), on="answer_id", how="semi")
    frames = [before]
    for name in judges or DEFAULT_JUDGES:
        judge = load_judge(name)
        new = answers.join(before.filter(pl.col("judge") == judge.name), on="answer_id", how="anti")
        step(f"culture read by {name}", 0, new.height, "")
        items = (
            Item(answer_id=answer_id, question=question, text=text)
            for answer_id, question, text in new.select("answer_id", "question", "text").iter_rows()
        )
        rows = ReadingRows()
        for reading in judge.read(items):
            rows.add(reading)
        frames.append(rows.frame())
        step(f"culture read by {name}", new.height, new.height, "")
    study.write(READ, pl.concat(frames).sort("judge", "answer_id"))


def _judged(study: Study, answers: pl.DataFrame) -> list[Read]:
    """Return the judges' readings as z-scores, in the order of the answers."""
    readings, calibrations = study.read(READ), read_calibrations(study)
    found = []
    for judge in readings["judge"].unique().sort():
        own = readings.filter(pl.col("judge") == judge)
        if judge in calibrations:
            own = calibrated(own, calibrations[judge])
        there = answers.select("answer_id").join(own, on="answer_id", how="left", maintain_order="left")
        normed = bool(own[TRAITS[0]].is_not_null().any())
        filled = there.with_columns(pl.col("judge").fill_null(judge))
        found.append(
            Read(
                reader=str(judge),
                names=TRAITS,
                values=judge_z(filled),
                unit="SD of adults" if normed else "SD of these answers",
                together={PERSONALITY: TRAITS},
                alone=TRAITS,
            )
        )
    return found


def _felt(texts: list[str], classifiers: Sequence[Classifier]) -> list[Read]:
    """Return sentiment and emotions by the shipped word lists, and by trained classifiers."""
    sentiment, emotions = score(texts)
    values = np.column_stack([sentiment, emotions])
    both: dict[str, tuple[str, ...]] = {EMOTION: EMOTIONS}
    names = (SENTIMENT, *EMOTIONS)
    found = [Read(reader=WORDS, names=names, values=values, unit="share", together=both, alone=(SENTIMENT,))]
    for one in (one for one in classifiers if one.reads != "toxicity"):
        scores = one.scores(texts)
        if one.reads == "emotion":
            found.append(Read(reader=one.name, names=EMOTIONS, values=scores, unit="share", together=both, alone=()))
        else:
            column = scores.reshape(-1, 1)
            alone = (SENTIMENT,)
            found.append(Read(reader=one.name, names=alone, values=column, unit="-1 to 1", together={}, alone=alone))
    return found
