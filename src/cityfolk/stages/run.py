"""`run`: the stages that a study has sections for, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel

from cityfolk.config import (
    AnswersSection,
    JudgeSection,
    LimitedSection,
    PairsSection,
    QuestionsSection,
    StudyConfig,
    WriteSection,
)
from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.places.pack import load_place
from cityfolk.profiles.cohort import check_choice
from cityfolk.stages.answers import AnswerOptions, answer_questions, check_answers, plan_answers
from cityfolk.stages.engines import Limits, check_limits, load_engines, require_task
from cityfolk.stages.judge import JudgeOptions, judge_answers, judging_engines
from cityfolk.stages.lives import WriteOptions, write_lives
from cityfolk.stages.measure import is_imported, measure
from cityfolk.stages.pages import make_report
from cityfolk.stages.pairs import PairOptions, pair_answers
from cityfolk.stages.people import make_people
from cityfolk.stages.plan import plan_lives
from cityfolk.stages.questions import QuestionOptions, ask_for_questions, plan_questions
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study


def check_study(config: StudyConfig) -> None:
    """Check what can be checked before the first write: the place, engines, filter, topics, targets, judges, pairs."""
    if config.people is not None:
        load_place(config.people.place)
    if config.write is not None:
        check_choice(config.write.filter, config.write.targets)
        options = write_options(config.write)
        check_limits(load_engines(options.engines, options.limits), options.limits)
    if config.questions is not None:
        asking = question_options(config.questions)
        asking.chosen()
        makers = load_engines([asking.engine], asking.limits)
        require_task(makers, "questions")
        check_limits(makers, asking.limits)
    if config.answers is not None:
        answering = answer_options(config.answers)
        check_answers(answering)
        speakers = load_engines(answering.engines, answering.limits)
        require_task(speakers, "answers")
        check_limits(speakers, answering.limits)
    if config.judge is not None:
        judging_engines(judge_options(config.judge))
    if config.pairs is not None:
        pairing = pair_options(config.pairs)
        _ = pairing.rules, pairing.table


def plan_study(study: Study, config: StudyConfig, *, step: Step = quiet) -> dict[str, Any]:
    """Say what writing, questions and answers would ask and cost: the first that there is, "then" the others.

    People are built in a folder that is thrown away if there are none yet. Answers to questions that nobody has made
    yet are not planned.
    """
    plans = [plan for plan in (_plan_lives(study, config, step), *_plan_preferences(study, config)) if plan]
    if not plans:
        raise UsageError(
            "this study writes nobody, so there is nothing to ask",
            hint="add a section [write], [questions] or [answers]",
        )
    return plans[0] | {"then": plans[1:]}


def _plan_lives(study: Study, config: StudyConfig, step: Step) -> dict[str, Any] | None:
    if config.write is None:
        return None
    options = write_options(config.write)
    if study.has("people"):
        return plan_lives(study, options)
    if config.people is None:
        raise StudyError(f"{study.folder} has no people", hint="add a section [people]")
    with TemporaryDirectory() as folder, Study.open(Path(folder) / "plan", create=True) as other:
        make_people(other, config.people.place, config.seed, step=step)
        return plan_lives(other, options)


def _plan_preferences(study: Study, config: StudyConfig) -> Iterator[dict[str, Any]]:
    seed = config.seed if "seed" in config.model_fields_set else None
    if config.questions is not None:
        yield plan_questions(study, question_options(config.questions, seed))
    if config.answers is not None and study.has("questions"):
        yield plan_answers(study, answer_options(config.answers, seed))


def run_study(study: Study, config: StudyConfig, *, step: Step = quiet) -> dict[str, Any]:
    """Do what a study asks for, continuing where it stopped; return what there is to say.

    What a model could not write, ask, answer or judge does not keep the rest from being done: "incomplete" then holds
    the first error of the kind, to raise when all is told.
    """
    job = _Run(study, config, step)
    if config.people is None:
        study.seed(job.seed)
    for section, stage in _STAGES.items():
        if getattr(config, section) is not None:
            try:
                stage(job)
            except IncompleteError as error:
                job.incomplete = job.incomplete or error
    return {"lines": job.lines, "result": job.result, "folder": str(study.folder), "incomplete": job.incomplete}


@dataclass(slots=True)
class _Run:
    study: Study
    config: StudyConfig
    step: Step
    lines: list[str] = field(default_factory=list)
    result: str = ""
    incomplete: IncompleteError | None = None

    def __post_init__(self) -> None:
        self.result = str(self.study.folder)

    @property
    def seed(self) -> int | None:
        """The seed that the file names; None if it names none."""
        return self.config.seed if "seed" in self.config.model_fields_set else None


def _run_people(job: _Run) -> None:
    assert job.config.people is not None
    made = make_people(job.study, job.config.people.place, job.config.seed, step=job.step)
    job.lines.append(
        f"{made['place']}: {made['people']:,} people, {made['group_quarters']:,} of them in group quarters, "
        f"in {made['households']:,} households"
    )


def _run_write(job: _Run) -> None:
    assert job.config.write is not None
    done = write_lives(job.study, write_options(job.config.write), step=job.step)
    job.lines += [f"{done['profiles']:,} lives written by {', '.join(done['engines'])}", *done["notices"]]


def _run_questions(job: _Run) -> None:
    assert job.config.questions is not None
    done = ask_for_questions(job.study, question_options(job.config.questions, job.seed), step=job.step)
    job.lines += [f"{done['questions']:,} questions", *done["notices"]]


def _run_answers(job: _Run) -> None:
    assert job.config.answers is not None
    done = answer_questions(job.study, answer_options(job.config.answers, job.seed), step=job.step)
    job.lines += [f"{done['answers']:,} answers by {', '.join(done['engines'])}", *done["notices"]]


def _run_judge(job: _Run) -> None:
    assert job.config.judge is not None
    done = judge_answers(job.study, judge_options(job.config.judge, job.seed), step=job.step)
    job.lines += [*(f"{count:,} answers read by {name}" for name, count in done["readings"].items()), *done["notices"]]


def _run_pairs(job: _Run) -> None:
    assert job.config.pairs is not None
    done = pair_answers(job.study, pair_options(job.config.pairs), step=job.step)
    job.lines += [f"{done['pairs']:,} pairs in {done['table']}.parquet", *done["notices"]]


def _run_evaluate(job: _Run) -> None:
    study, config = job.study, job.config
    assert config.evaluate is not None
    there = {
        "people": study.has("people") and not is_imported(study),
        "text": study.has("profiles"),
        "pairs": bool(study.tables_in("pairs")),
    }
    what = [name for name in config.evaluate.what if there[name]]
    if what:
        summary = measure(study, what, step=job.step)
        job.lines += [f"{row['title']}: {row['text']}" for row in summary["headline"]]


def _run_report(job: _Run) -> None:
    assert job.config.report is not None
    job.result = str(make_report(job.study, title=job.config.report.title, step=job.step))


_STAGES: dict[str, Callable[[_Run], None]] = {
    "people": _run_people,
    "write": _run_write,
    "questions": _run_questions,
    "answers": _run_answers,
    "judge": _run_judge,
    "pairs": _run_pairs,
    "evaluate": _run_evaluate,
    "report": _run_report,
}
"""What is done for each section of a study.toml, in this order."""


def write_options(section: WriteSection) -> WriteOptions:
    """Return what a study.toml's [write] asks for."""
    return WriteOptions(
        n=section.n,
        engines=tuple(section.engines),
        depth=section.depth,
        filter=section.filter,
        targets=section.targets,
        temperature=section.temperature,
        prompt=None if section.prompt == "auto" else section.prompt,
        limits=limits_of(section),
    )


def question_options(section: QuestionsSection, seed: int | None = None) -> QuestionOptions:
    """Return what a study.toml's [questions] asks for."""
    return QuestionOptions(**_given(section), seed=seed, limits=limits_of(section))


def answer_options(section: AnswersSection, seed: int | None = None) -> AnswerOptions:
    """Return what a study.toml's [answers] asks for."""
    return AnswerOptions(**_given(section), seed=seed, limits=limits_of(section))


def judge_options(section: JudgeSection, seed: int | None = None) -> JudgeOptions:
    """Return what a study.toml's [judge] asks for."""
    return JudgeOptions(**_given(section), seed=seed, limits=limits_of(section))


def pair_options(section: PairsSection) -> PairOptions:
    """Return what a study.toml's [pairs] asks for."""
    return PairOptions(**_given(section))


def _given(section: BaseModel) -> dict[str, Any]:
    """Return a section's own keys but for those that are None: the verb's default counts then."""
    shared = set(LimitedSection.model_fields)
    return {name: value for name, value in section if value is not None and name not in shared}


def limits_of(section: LimitedSection) -> Limits:
    """Return what a section's stage may spend."""
    return Limits(
        budget_usd=section.budget_usd,
        budget_tokens=section.budget_tokens,
        requests_per_minute=section.requests_per_minute,
        tokens_per_minute=section.tokens_per_minute,
        cache=Path(section.cache) if section.cache else None,
        concurrency=section.concurrency,
    )
