"""`questions`: an engine makes open-ended questions for topics, exactly as many as are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from cityfolk.engines.ask import Progress
from cityfolk.engines.prices import load_prices
from cityfolk.errors import IncompleteError, UsageError
from cityfolk.preferences.maker import (
    Tally,
    first_requests,
    make_questions,
    question_config,
    question_sampling,
    totals,
)
from cityfolk.preferences.prompts import QUESTION
from cityfolk.preferences.questions import PER_REQUEST, STAGE, TEMPERATURE
from cityfolk.preferences.topics import Topic, chosen, spread, topics
from cityfolk.stages.engines import Limits, engine_price, equipped, load_engines, require_task
from cityfolk.stages.plan import counter, estimate_calls, mean_completion, plan_document
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import JOURNAL, Study

TABLE = VERB = "questions"
_TALLIES = "cityfolk.tallies"
_TYPICAL = json.dumps({"questions": ["What goes through your mind when you are asked to do something like this?"] * 10})
_SAMPLE = 50  # requests whose tokens are counted for a plan


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """What `questions` is asked for. Seed, temperature and the engine's model determine rows; the rest adds to them.

    `topics`: how many, spread over domains and facets, or their ids; None is all of them. `seed` None is the study's,
    0 for a new one.
    """

    n: int = 100
    topics: int | Sequence[str] | None = None
    engine: str = "pocket"
    temperature: float = TEMPERATURE
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)

    def chosen(self) -> tuple[Topic, ...]:
        """Return the topics in the order of topics.toml; UsageError names one that is not there."""
        if self.n < 1:
            raise UsageError(f"{self.n} questions cannot be made", hint="give --n 1 or more")
        if self.topics is None:
            return topics()
        return spread(self.topics) if isinstance(self.topics, int) else chosen(self.topics)


def ask_for_questions(study: Study, options: QuestionOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have an engine make questions: questions.parquet, with n for every topic asked for.

    Questions that an earlier command made stay, of other topics too, and keep their ids. Raises IncompleteError if
    the engine could not make as many: what it could is kept, and failures.jsonl says how many of each topic.
    """
    wanted = options.chosen()
    engine = load_engines([options.engine], options.limits)[0]
    _refuse_imported(study)
    require_task([engine], "questions")
    sampling = question_sampling(study.seed(options.seed), options.temperature)
    again = "ended" in study.manifest["stages"].get(VERB, {})
    began = perf_counter()
    with equipped(study, [engine], options.limits) as ready:
        study.begin(VERB, question_config(engine, sampling), free=_free(options), fresh=_nothing(study))
        study.work(VERB)
        made = make_questions(
            study.journal,
            ready[0],
            wanted,
            options.n,
            sampling=sampling,
            before=study.read(TABLE) if study.has(TABLE) else None,
            tallies=read_tallies(study),
            again=again,
            on_progress=lambda number, size, progress: _tell(step, number, size, progress, began),
        )
    document = {topic: asdict(tally) for topic, tally in made.tallies.items()}
    study.write(TABLE, made.questions, metadata={_TALLIES: json.dumps(document)})
    study.replace_failures(STAGE, made.failures)
    facts = {"questions": made.questions.height, **totals(made.tallies)}
    seconds = round(perf_counter() - began, 1)
    notices = [*_more_than_asked(made.questions["topic"].to_list(), wanted, options.n), *getattr(engine, "notices", ())]
    study.finish(VERB, **facts, short_topics=len(made.failures), seconds=seconds, notices=notices)
    if made.failures:
        short = made.questions.filter(made.questions["topic"].is_in([one.id for one in wanted])).height
        raise IncompleteError(
            f"{short:,} of {options.n * len(wanted):,} distinct questions could be had; "
            f"{len(made.failures)} of {len(wanted)} topics have too few, and what there is is kept",
            hint=f"see {study.folder / 'failures.jsonl'}; ask for fewer, or a higher --temperature in a new folder",
        )
    return {**facts, "topics": len(wanted), "seconds": seconds, "notices": notices}


def plan_questions(study: Study | None, options: QuestionOptions) -> dict[str, Any]:
    """Say what `questions` would ask at the least, if every question that comes is new: calls, tokens and dollars.

    Requests that the journal answers, and topics that have their questions, do not count. `study` None: a new folder.
    """
    wanted = options.chosen()
    engine = load_engines([options.engine], options.limits)[0]
    if study is not None:
        _refuse_imported(study)
    require_task([engine], "questions")
    seed = (options.seed or 0) if study is None else study.seed(options.seed)
    sampling = question_sampling(seed, options.temperature)
    have: dict[str, int] = {}
    done: Mapping[int, int] = {}
    wrote = None
    if study is not None:
        have = dict(study.read(TABLE)["topic"].value_counts().iter_rows()) if study.has(TABLE) else {}
        done = study.journal.settled(STAGE)[0] if (study.folder / JOURNAL).exists() else {}
        wrote = mean_completion(study, engine, (STAGE,))
    if wrote is None:
        wrote = counter(engine)[0](_TYPICAL), f"{PER_REQUEST} questions of 14 words"
    short = [topic for topic in wanted if have.get(topic.id, 0) < options.n]
    requests = list(first_requests(short, options.n, engine.model, sampling))
    first = next(first_requests(wanted, options.n, engine.model, sampling))
    answered = sum(int(request.key, 16) in done for request in requests)
    estimate = estimate_calls(
        engine,
        engine.name,
        QUESTION,
        requests[:: max(1, len(requests) // _SAMPLE)],
        calls=len(requests) - answered,
        answered=answered,
        wrote=wrote[0],
        how=wrote[1],
        price=engine_price(engine, load_prices()),
    )
    return plan_document(engine, first, [estimate]) | {"topics": len(wanted), "n": options.n}


def read_tallies(study: Study) -> dict[str, Tally]:
    """Return what the table remembers of each topic's replies; nothing of a table that is not there."""
    if not study.has(TABLE):
        return {}
    document = json.loads(study.read_metadata(TABLE).get(_TALLIES, "{}"))
    return {topic: Tally(**tally) for topic, tally in document.items()}


def _refuse_imported(study: Study) -> None:
    if study.has(TABLE) and study.read(TABLE)["engine"].null_count():
        raise UsageError(
            f"the questions in {study.folder} were imported: more cannot be made among them",
            hint="name a folder of its own for questions that a model makes",
        )


def _nothing(study: Study) -> bool:
    """Say whether no engine has made a question of this study."""
    if study.has(TABLE):
        return False
    return not (study.folder / JOURNAL).exists() or not any(study.journal.settled(STAGE))


def _free(options: QuestionOptions) -> dict[str, Any]:
    asked = list(options.topics) if isinstance(options.topics, Sequence) else options.topics
    return {"n": options.n, "topics": asked, "spec": options.engine, **options.limits.document()}


def _tell(step: Step, number: int, size: int, progress: Progress, began: float) -> None:
    rate = f"{progress.completion_tokens / max(perf_counter() - began, 1e-9):,.0f} tokens/s"
    note = f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
    step("questions" if number == 1 else f"questions, round {number}", progress.settled, size, note)


def _more_than_asked(owners: Sequence[str], wanted: Sequence[Topic], n: int) -> list[str]:
    """Say where an earlier command left more than this one asks for."""
    asked = n * len(wanted)
    kept = len(owners)
    return [] if kept <= asked else [f"the table holds {kept:,} questions: those of earlier commands stay"]
