"""`judge`: every judge reads every answer; readings.parquet has one row an answer and judge, judge by judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.errors import CityfolkError, EngineError, IncompleteError, StudyError, UsageError
from cityfolk.preferences.judging.base import Judge, ReadingRows
from cityfolk.preferences.judging.classifier import ClassifierJudge, weights_hash
from cityfolk.preferences.judging.family import family, same_family, shared_features
from cityfolk.preferences.judging.llm import STAGE, LLMJudge, Looks, judge_name
from cityfolk.preferences.judging.registry import check_engine_name, kind_of, load_judge
from cityfolk.preferences.records import READINGS
from cityfolk.stages.engines import Limits, check_limits, equipped, load_engines
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.judge_tables import TABLE, Pool, keep_retests, write_readings
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Failure, Reading

VERB = "judge"
DEFAULT_JUDGES = ("rater", "lexicon")
_PART = 1_000  # answers between two words on the progress


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

    def __post_init__(self) -> None:
        if not self.judges:
            raise UsageError("nobody is asked to judge", hint="for example --judge rater --judge lexicon")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"{self.limit} answers cannot be judged", hint="give a limit of 1 or more")
        if self.retest < 0:
            raise UsageError(f"{self.retest} answers cannot be judged twice", hint="give 0 or more")
        _ = self.looks

    @property
    def looks(self) -> Looks:
        """How a language model looks at an answer."""
        return Looks(orders=self.orders, samples=self.samples, way=self.way)


def judge_answers(study: Study, options: JudgeOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every judge read the answers: readings.parquet, beside what other judges have read; then their agreement.

    A judge that cannot go on does not keep the others from reading. Raises EngineError or IncompleteError at the end
    where readings are missing, StudyError where a judge read with another config before.
    """
    names = list(dict.fromkeys(options.judges))
    engines = judging_engines(options)
    local = [load_judge(name) for name in names if kind_of(name) != "engine"]
    called = [*(judge.name for judge in local), *map(judge_name, engines)]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two judges are called {twice}", hint="leave one of them out")
    seed = study.seed(options.seed)
    pool = Pool.of(study, options.limit, seed, called)
    job = _Job(study, options, pool, seed, step)
    configs = [_local_config(judge) for judge in local]
    for judge, config in zip(local, configs, strict=True):
        check_config(study, judge.name, config)
    for engine in engines:
        job.check_model(engine)
    for judge, config in zip(local, configs, strict=True):
        job.read_local(judge, config)
    with equipped(study, engines, options.limits) as ready:
        for engine, source in zip(ready, engines, strict=True):
            job.read_model(engine, source)
    return _conclude(job)


def judging_engines(options: JudgeOptions) -> list[Engine]:
    """Load the language models among the judges; UsageError for a wrong name, two of one model, or no known price."""
    specs = [name for name in dict.fromkeys(options.judges) if kind_of(name) == "engine"]
    for spec in specs:
        check_engine_name(spec)
    engines = load_engines(specs, options.limits)
    check_limits(engines, options.limits)
    return engines


def _local_config(judge: Judge) -> dict[str, Any]:
    config: dict[str, Any] = {"instrument": judge.instrument}
    if isinstance(judge, ClassifierJudge):
        config["weights"] = weights_hash(judge)
    return config


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

    def read_local(self, judge: Judge, config: Mapping[str, Any]) -> None:
        """Have a judge in process read what it has not read yet."""
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

    def check_model(self, engine: Engine) -> None:
        """Raise StudyError where a language model is to read with another config than it has read with."""
        judge = self._judge(engine)
        if recorded_config(self.study, judge.name) is not None:
            check_config(self.study, judge.name, judge.config())

    def _judge(self, engine: Engine) -> LLMJudge:
        """Return a language model as a judge, asked in the way in which it was asked before."""
        looks = self.options.looks
        judge = LLMJudge(
            engine=engine,
            journal=self.study.journal,
            looks=looks,
            seed=self.seed,
            again="ended" in self.study.manifest["stages"].get(VERB, {}),
        )
        recorded = recorded_config(self.study, judge.name)
        if looks.way == "auto" and recorded is not None:
            judge.settled_way = recorded["way"]
        return judge

    def read_model(self, engine: Engine, source: Engine) -> None:
        """Have a language model read everything, then write what the journal holds; where it stops, remember why."""
        judge, looks = self._judge(engine), self.options.looks
        self._tell_families(judge.name, judge.family, source.model)
        try:
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
        items = self.pool.some(self.options.retest, self.seed, judge.name)
        first = list(judge.kept(items, self.study.journal.settled(STAGE)[0]))
        judge.first_sample = looks.samples
        second = sorted(judge.read(items), key=lambda reading: reading.answer_id)
        judge.first_sample = 0
        keep_retests(self.study, judge.name, [*((r, 1) for r in first), *((r, 2) for r in second)])

    def _begin(self, name: str, config: Mapping[str, Any]) -> None:
        """Record a judge's config beside the others', or refuse another than the one it has read with."""
        check_config(self.study, name, config)
        known = self.study.manifest["stages"].get(VERB, {}).get("config", {}).get("judges", {})
        free = {"judges": list(self.options.judges), "limit": self.options.limit, "retest": self.options.retest}
        document = {**free, **self.options.limits.document()}
        self.study.begin(VERB, {"judges": {**known, name: dict(config)}}, free=document, fresh=True)
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


def check_config(study: Study, name: str, config: Mapping[str, Any]) -> None:
    """Raise StudyError where a judge has read a study with another config."""
    now, before = json.loads(json.dumps(config)), recorded_config(study, name)
    if before is None or before == now:
        return
    keys = sorted(key for key in before | now if before.get(key) != now.get(key))
    was = ", ".join(f"{key} was {before.get(key)!r} and is now {now.get(key)!r}" for key in keys)
    raise StudyError(
        f"{name} has read answers in {study.folder} with another config: {was}",
        hint="repeat the earlier options, or start a new folder",
    )


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


def _conclude(job: _Job) -> dict[str, Any]:
    """Write the failures and the findings; raise what there is to raise, else say what was done."""
    study = job.study
    study.replace_failures(STAGE, _failures(job))
    counts: dict[str, int] = {}
    if study.has(TABLE):
        found = study.scan(TABLE).group_by("judge").agg(_anything().sum()).collect(engine="streaming").sort("judge")
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
    shared = shared_features(set(counts) - {"grammar"})
    if shared:
        job.notices.append(shared)
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
