"""`run`: the stages that a study has sections for, in order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cityfolk.config import StudyConfig, WriteSection
from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.places.pack import load_place
from cityfolk.profiles.cohort import check_choice
from cityfolk.stages.engines import Limits, check_limits, load_engines
from cityfolk.stages.lives import WriteOptions, write_lives
from cityfolk.stages.measure import measure
from cityfolk.stages.pages import make_report
from cityfolk.stages.people import make_people
from cityfolk.stages.plan import plan_lives
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study


def check_study(config: StudyConfig) -> None:
    """Check what can be checked before the first write: the place, every engine, the filter, the targets."""
    if config.people is not None:
        load_place(config.people.place)
    if config.write is not None:
        check_choice(config.write.filter, config.write.targets)
        options = write_options(config.write)
        check_limits(load_engines(options.engines, options.limits), options.limits)


def plan_study(study: Study, config: StudyConfig, *, step: Step = quiet) -> dict[str, Any]:
    """Say what writing would ask and cost; people are built in a folder that is thrown away if there are none yet."""
    if config.write is None:
        raise UsageError("this study writes nobody, so there is nothing to ask", hint="add a section [write]")
    options = write_options(config.write)
    if study.has("people"):
        return plan_lives(study, options)
    if config.people is None:
        raise StudyError(f"{study.folder} has no people", hint="add a section [people]")
    with TemporaryDirectory() as folder, Study.open(Path(folder) / "plan", create=True) as other:
        make_people(other, config.people.place, config.seed, step=step)
        return plan_lives(other, options)


def run_study(study: Study, config: StudyConfig, *, step: Step = quiet) -> dict[str, Any]:
    """Do what a study asks for, continuing where it stopped; return what there is to say.

    Citizens who could not be written do not keep the rest from being measured and reported: "incomplete" then holds
    the error to raise when all is told.
    """
    lines: list[str] = []
    result = str(study.folder)
    incomplete: IncompleteError | None = None
    _check_seed(study, config)
    if config.people is not None:
        made = make_people(study, config.people.place, config.seed, step=step)
        lines.append(
            f"{made['place']}: {made['people']:,} people, {made['group_quarters']:,} of them in group quarters, "
            f"in {made['households']:,} households"
        )
    if config.write is not None:
        try:
            done = write_lives(study, write_options(config.write), step=step)
            lines.append(f"{done['profiles']:,} lives written by {', '.join(done['engines'])}")
            lines += done["notices"]
        except IncompleteError as error:
            incomplete = error
    if config.evaluate is not None:
        what = [name for name in config.evaluate.what if name == "people" or study.has("profiles")]
        summary = measure(study, what, step=step)
        lines += [f"{row['title']}: {row['text']}" for row in summary["headline"]]
    if config.report is not None:
        result = str(make_report(study, title=config.report.title, step=step))
    return {"lines": lines, "result": result, "folder": str(study.folder), "incomplete": incomplete}


def _check_seed(study: Study, config: StudyConfig) -> None:
    if config.people is None and "seed" in config.model_fields_set:
        made = study.config("people")["seed"]
        if made != config.seed:
            raise StudyError(
                f"the people of {study.folder} were made with seed {made}, not {config.seed}",
                hint="leave the seed out, or make people with it in another folder",
            )


def write_options(section: WriteSection) -> WriteOptions:
    """Return what a study.toml's [write] asks for."""
    limits = Limits(
        budget_usd=section.budget_usd,
        budget_tokens=section.budget_tokens,
        requests_per_minute=section.requests_per_minute,
        tokens_per_minute=section.tokens_per_minute,
        cache=Path(section.cache) if section.cache else None,
        concurrency=section.concurrency,
    )
    return WriteOptions(
        n=section.n,
        engines=tuple(section.engines),
        depth=section.depth,
        filter=section.filter,
        targets=section.targets,
        temperature=section.temperature,
        prompt=None if section.prompt == "auto" else section.prompt,
        limits=limits,
    )
