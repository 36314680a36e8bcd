"""`judge`: every judge reads every answer; readings.parquet has one row an answer and judge, judge by judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import polars as pl

from cityfolk import rng
from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.errors import CityfolkError, DataError, EngineError, IncompleteError, StudyError, UsageError
from cityfolk.preferences.judging.base import Item, Judge, ReadingRows
from cityfolk.preferences.judging.classifier import ClassifierJudge, weights_hash
from cityfolk.preferences.judging.family import family, same_family
from cityfolk.preferences.judging.llm import STAGE, LLMJudge, Looks
from cityfolk.preferences.judging.registry import check_engine_name, kind_of, load_judge
from cityfolk.preferences.judging.scale import FILE, Calibration, calibrated
from cityfolk.preferences.records import READINGS
from cityfolk.stages.engines import Limits, equipped, load_engines
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import write_text
from cityfolk.study.folder import Study
from cityfolk.types import Failure, Reading

VERB, TABLE, RETESTS = "judge", "readings", "retests"
DEFAULT_JUDGES = ("rater", "lexicon")
RETEST_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {**READINGS, "look": pl.Int8}
"""retests.parquet: answers that a judge read twice; `look` is 1 or 2, the rest as in readings."""
_SLICE, _PART = 20_000, 1_000  # answers in memory, and between two words on the progress
FRAMES = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """What `judge` is asked for. `judges` are names; `orders`, `samples`, `way` are a language model's (`Looks`).

    `retest` answers are read twice by language models, which alone may differ from themselves. `limit` answers are
    read, the same ones by every judge; asking for more later adds.
    """

    judges: Sequence[str] = DEFAULT_JUDGES
    orders: int = 2
    samples: int = 1
    way: Literal["auto", "expected", "schema"] = "auto"
    retest: int = 0
    limit: int | None = None
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def looks(self) -> Looks:
        """How a language model looks at an answer."""
        return Looks(orders=self.orders, samples=self.samples, way=self.way)


@dataclass(slots=True)
class Pool:
    """The answers of a study, read in parts; `chosen` are those that are judged now (None: all)."""

    study: Study
    questions: dict[str, str]
    models: dict[str, int]
    chosen: frozenset[str] | None

    @classmethod
    def of(cls, study: Study, limit: int | None, seed: int) -> Pool:
        """Return a study's answers; DataError if there are none."""
        questions = study.read("questions").select("question_id", "text")
        found = study.scan("answers").group_by("model").len().collect()
        models = {str(model): int(count) for model, count in found.sort("model").iter_rows()}
        if not models:
            raise DataError("there are no answers to judge", hint="run `cityfolk answer` first")
        chosen = None if limit is None else frozenset(first_answers(study, limit, seed))
        return cls(study, dict(questions.iter_rows()), models, chosen)

    @property
    def size(self) -> int:
        """How many answers are judged."""
        return sum(self.models.values()) if self.chosen is None else len(self.chosen)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield all answers in the order of their table: answer_id, question_id, text, model."""
        scan = self.study.scan("answers").select("answer_id", "question_id", "text", "model")
        for offset in range(0, sum(self.models.values()), _SLICE):
            yield scan.slice(offset, _SLICE).collect()

    def due(self, part: pl.DataFrame) -> pl.DataFrame:
        """Return those of a part that are judged now."""
        return part if self.chosen is None else part.filter(pl.col("answer_id").is_in(list(self.chosen)))

    def items(self, part: pl.DataFrame) -> Iterator[Item]:
        """Yield what a judge sees of answers; DataError for one whose question is missing."""
        for answer_id, question_id, text in part.select("answer_id", "question_id", "text").iter_rows():
            if question_id not in self.questions:
                raise DataError(
                    f"answer {answer_id} is to a question that questions.parquet does not have: {question_id}",
                    hint="put back the questions that the answers were made from",
                )
            yield Item(answer_id=answer_id, question=self.questions[question_id], text=text or "")

    def everything(self) -> Iterator[Item]:
        """Yield all that is judged."""
        for part in self.parts():
            yield from self.items(self.due(part))

    def some(self, n: int, seed: int) -> list[Item]:
        """Return n of the answers that are judged, drawn by their ids, in the order of the table."""
        wanted = set(first_answers(self.study, n, seed, among=self.chosen, what="retest"))
        return [item for part in self.parts() for item in self.items(part.filter(pl.col("answer_id").is_in(wanted)))]


def first_answers(
    study: Study, n: int, seed: int, *, among: frozenset[str] | None = None, what: str = "limit"
) -> list[str]:
    """Return n ids of answers in an order that depends on the ids alone: the first n of n + m are the same."""
    ids = study.scan("answers").select("answer_id").collect()["answer_id"].to_list()
    found = [answer for answer in ids if among is None or answer in among]
    return sorted(found, key=lambda answer: rng.derive(seed, "judge", what, answer))[:n]


def judge_answers(study: Study, options: JudgeOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every judge read the answers: readings.parquet, beside what other judges have read; then their agreement.

    A judge that cannot go on does not keep the others from reading. Raises EngineError or IncompleteError at the end
    where readings are missing, StudyError where a judge read with another config before.
    """
    looks = options.looks
    names = list(dict.fromkeys(options.judges))
    if not names:
        raise UsageError("nobody is asked to judge", hint="for example --judge rater --judge lexicon")
    seed = study.seed(options.seed)
    pool = Pool.of(study, options.limit, seed)
    specs = [name for name in names if kind_of(name) == "engine"]
    local = [load_judge(name) for name in names if kind_of(name) != "engine"]
    for spec in specs:
        check_engine_name(spec)
    engines = load_engines(specs, options.limits)
    job = _Job(study, options, pool, seed, step)
    for judge in local:
        job.read_local(judge)
    with equipped(study, engines, options.limits) as ready:
        for engine, source in zip(ready, engines, strict=True):
            job.read_model(engine, source, looks)
    return _conclude(job)


@dataclass(slots=True)
class _Job:
    study: Study
    options: JudgeOptions
    pool: Pool
    seed: int
    step: Step
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[str, EngineError | IncompleteError] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    judges: list[str] = field(default_factory=list)
    began: float = field(default_factory=perf_counter)

    def read_local(self, judge: Judge) -> None:
        """Have a judge in process read what it has not read yet."""
        config: dict[str, Any] = {"instrument": judge.instrument}
        if isinstance(judge, ClassifierJudge):
            config["weights"] = weights_hash(judge)
        self._begin(judge.name, config)
        done, began = 0, perf_counter()

        def read(part: pl.DataFrame) -> Iterator[Reading]:
            nonlocal done
            for some in part.iter_slices(_PART):
                yield from judge.read(self.pool.items(some))
                done += some.height
                rate = f"{done / max(perf_counter() - began, 1e-9):,.0f} answers/s"
                self.step(f"judge {judge.name}", done, max(self.pool.size, done), rate)

        self._write(judge.name, read, judge.family, model=None)

    def read_model(self, engine: Engine, source: Engine, looks: Looks) -> None:
        """Have a language model read everything, then write what the journal holds; where it stops, remember why."""
        judge = LLMJudge(
            engine=engine,
            journal=self.study.journal,
            looks=looks,
            seed=self.seed,
            again="ended" in self.study.manifest["stages"].get(VERB, {}),
        )
        self._tell_families(judge.name, judge.family, source.model)
        try:
            recorded = recorded_config(self.study, judge.name)
            if looks.way == "auto" and recorded is not None:
                judge.settled_way = recorded["way"]
            judge.settle(next(self.pool.everything()))
            self._begin(judge.name, judge.config())
            calls, began = judge.calls(self.pool.size), perf_counter()
            judge.on_progress = lambda p: self.step(
                f"judge {judge.name}", p.settled, calls, _rate(p, perf_counter() - began)
            )
            for _ in judge.read(self.pool.everything()):
                pass
            self._retest(judge, looks)
        except (EngineError, IncompleteError) as error:
            self.stopped[judge.name] = error
        self.failures += judge.failures
        self.notices += [f"{judge.name}: {text}" for text in getattr(source, "notices", ())]
        if judge.name in self.judges:
            accepted = self.study.journal.settled(STAGE)[0]
            self._write(
                judge.name,
                lambda part: judge.kept(self.pool.items(part), accepted),
                judge.family,
                model=source.model,
                repeats=looks.each,
            )

    def _retest(self, judge: LLMJudge, looks: Looks) -> None:
        """Have a language model read some answers a second time."""
        if not self.options.retest:
            return
        items = self.pool.some(self.options.retest, self.seed)
        first = list(judge.kept(items, self.study.journal.settled(STAGE)[0]))
        judge.first_sample = looks.samples
        second = sorted(judge.read(items), key=lambda reading: reading.answer_id)
        judge.first_sample = 0
        keep_retests(self.study, judge.name, [*((r, 1) for r in first), *((r, 2) for r in second)])

    def _begin(self, name: str, config: Mapping[str, Any]) -> None:
        """Record a judge's config beside the others', or refuse another than the one it has read with."""
        now = json.loads(json.dumps(config))
        before = recorded_config(self.study, name)
        if before is not None and before != now:
            keys = sorted(key for key in before | now if before.get(key) != now.get(key))
            was = ", ".join(f"{key} was {before.get(key)!r} and is now {now.get(key)!r}" for key in keys)
            raise StudyError(
                f"{name} has read answers in {self.study.folder} with another config: {was}",
                hint="repeat the earlier options, or start a new folder",
            )
        known = self.study.manifest["stages"].get(VERB, {}).get("config", {}).get("judges", {})
        free = {"judges": list(self.options.judges), "limit": self.options.limit, "retest": self.options.retest}
        document = {**free, **self.options.limits.document()}
        self.study.begin(VERB, {"judges": {**known, name: now}}, free=document, fresh=True)
        self.study.work(VERB)
        self.judges.append(name)

    def _write(
        self,
        name: str,
        read: Callable[[pl.DataFrame], Iterable[Reading]],
        family_: str,
        *,
        model: str | None,
        repeats: int = 1,
    ) -> None:
        same = {other: related(name, family_, model, other) for other in self.pool.models}

        def frame(part: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
            new = self.pool.due(part).join(old, on="answer_id", how="anti", maintain_order="left")
            by = dict(new.select("answer_id", "model").iter_rows())
            rows = ReadingRows()
            for reading in read(new):
                rows.add(reading, repeats=repeats, same_family=same[by[reading.answer_id]])
            return pl.concat([old, rows.frame()])

        write_readings(self.study, self.pool, {name: frame})

    def _tell_families(self, name: str, family_: str, model: str) -> None:
        for other in self.pool.models:
            same = related(name, family_, model, other)
            if same:
                self.notices.append(
                    f"SAME FAMILY: {name} judges what {other} wrote, and both are of the family "
                    f"{family(other) or 'of ' + other}: such a judge favours its own; use one of another family"
                )
            elif same is None:
                self.notices.append(f"whether {name} and {other} are of one family cannot be told from their names")


def recorded_config(study: Study, name: str) -> dict[str, Any] | None:
    """Return the config with which a judge has read a study before; None if it has read nothing."""
    before = study.manifest["stages"].get(VERB, {}).get("config", {}).get("judges", {}).get(name)
    if before is None or not study.has(TABLE):
        return None
    rows = study.scan(TABLE).filter(pl.col("judge") == name).head(1).collect()
    return dict(before) if rows.height else None


def related(judge: str, judge_family: str, model: str | None, generator: str) -> bool | None:
    """Say whether a judge is of the family of the model that wrote an answer; None where names do not tell.

    Judges that are no language models (the text rater, the word list, classifiers, people) are of no generator's
    family; the embedded model's grammar is of its own.
    """
    if model is None:
        return bool(judge_family) and same_family(judge_family, generator) is True
    return same_family(model if model == generator else judge_family, generator)


def write_readings(study: Study, pool: Pool, made: Mapping[str, FRAMES]) -> None:
    """Write readings.parquet anew: `made` gives a judge's rows for a part of the answers from those it has of them.

    Other judges' rows stay as they are; rows of answers that are gone go. Percentiles of calibrated judges are those
    of their calibration.
    """
    before = study.scan(TABLE) if study.has(TABLE) else None
    known = before.select("judge").unique().collect()["judge"].to_list() if before is not None else []
    calibrations = read_calibrations(study)

    def frames() -> Iterator[pl.DataFrame]:
        for judge in sorted({*known, *made}):
            for part in pool.parts():
                order = part.select("answer_id", place=pl.int_range(pl.len()))
                old = pl.DataFrame(schema=READINGS)
                if before is not None and judge in known:
                    own = before.filter(pl.col("judge") == judge)
                    old = own.join(order.lazy().select("answer_id"), on="answer_id", how="semi").collect()
                frame = made[judge](part, old) if judge in made else old
                if judge in calibrations:
                    frame = calibrated(frame, calibrations[judge])
                frame = frame.join(order, on="answer_id").sort("place").drop("place")
                yield frame.select(pl.col(name).cast(kind) for name, kind in READINGS.items())

    study.write_frames(TABLE, frames(), READINGS)


def keep_retests(study: Study, judge: str, looks: Sequence[tuple[Reading, int]]) -> None:
    """Put a judge's first and second readings of the same answers in place of its earlier ones: retests.parquet."""
    parts = []
    for look in (1, 2):
        rows = ReadingRows()
        for reading, number in looks:
            if number == look:
                rows.add(reading)
        parts.append(rows.frame().with_columns(look=pl.lit(look, dtype=pl.Int8)))
    if study.has(RETESTS):
        parts.insert(0, study.read(RETESTS).filter(pl.col("judge") != judge))
    study.write(RETESTS, pl.concat(parts).sort("judge", "answer_id", "look"))


def read_calibrations(study: Study) -> dict[str, Calibration]:
    """Return the calibrations of a study by judge; none if nothing was calibrated."""
    path = study.folder / FILE
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {judge: Calibration.read(one) for judge, one in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StudyError(f"{path} cannot be read: {error}", hint="delete it and calibrate again") from error


def write_calibrations(study: Study, calibrations: Mapping[str, Calibration]) -> None:
    """Write calibration.json."""
    document = {judge: one.document() for judge, one in sorted(calibrations.items())}
    write_text(study.folder / FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _conclude(job: _Job) -> dict[str, Any]:
    """Write the failures and the findings; raise what there is to raise, else say what was done."""
    study = job.study
    study.replace_failures(STAGE, _failures(job))
    counts: dict[str, int] = {}
    if study.has(TABLE):
        found = study.scan(TABLE).group_by("judge").agg(_anything().sum()).collect().sort("judge")
        counts = {judge: int(count) for judge, count in found.iter_rows()}
        study.replace_findings("judges.", judge_findings(study))
    if job.stopped:
        said = "; ".join(
            f"{name} stopped: {error}" if len(job.stopped) > 1 else str(error) for name, error in job.stopped.items()
        )
        first = next(iter(job.stopped.values()))
        kind: type[CityfolkError] = EngineError if isinstance(first, EngineError) else IncompleteError
        raise kind(said, hint=first.hint)
    read = {name: counts.get(name, 0) for name in job.judges}
    unread = {name: job.pool.size - count for name, count in read.items() if count < job.pool.size}
    if set(counts) - {"grammar"} == {"rater", "lexicon"}:
        job.notices.append(
            "rater counts the markers of lexicon among its features, so that the two agree proves little; a language "
            "model of another family or people (--people NAME) would prove more"
        )
    if "grammar" in job.judges:
        job.notices.append(
            f"the grammar reads the embedded model's own answers alone, as known truth; {unread.get('grammar', 0):,} "
            f"of {job.pool.size:,} answers hold nothing that it could have written"
        )
    seconds = round(perf_counter() - job.began, 1)
    facts = {"readings": read, "unread": unread, "seconds": seconds}
    study.finish(VERB, **facts, failed=len(job.failures), notices=job.notices)
    if job.failures:
        raise IncompleteError(
            f"{len(job.failures)} judgings are missing; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {**facts, "notices": job.notices}


def _anything() -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in READINGS if name.startswith("raw_"))


def _failures(job: _Job) -> list[Failure]:
    """Return the failures there are now: earlier ones stay unless they were answered, or asked again and failed."""
    new = {failure.key for failure in job.failures}
    earlier = [Failure(**row) for row in job.study.failures() if row["stage"] == STAGE]
    answered = job.study.journal.settled(STAGE)[0] if earlier else {}
    kept = [f for f in earlier if f.key not in new and int(f.key, 16) not in answered]
    return kept + sorted(job.failures, key=lambda failure: failure.label)


def _rate(progress: Progress, seconds: float) -> str:
    rate = f"{progress.settled / max(seconds, 1e-9):,.0f} judgings/s"
    return f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
