"""`cityfolk run [STUDY.toml] [--out DIR]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import Json

if TYPE_CHECKING:
    from cityfolk.config import StudyConfig

ASKED = "study.toml"


def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="A study.toml; without one, that of the folder, else Cambridge with 200 lives."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to make or continue; by default the file's name, or demo.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Instead of the file's seed.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Write at most this many lives, and answer at most this many questions."),
    ] = None,
    engine: Annotated[
        list[str], typer.Option("--engine", help="Instead of the file's engines. May be given again.")
    ] = [],  # noqa: B006 - typer copies it
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompt and the size and price of the job; ask nobody.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the stages that a study has sections for, in order, continuing where it stopped."""
    from cityfolk.config import DEFAULT, changed_config, config_text, parse_config, read_text
    from cityfolk.stages import check_study, run_study
    from cityfolk.study.files import write_text
    from cityfolk.study.folder import Study

    folder = out or _folder(file)
    kept = folder / ASKED
    source = file or (kept if kept.exists() else None)
    text = read_text(source) if source else DEFAULT
    config = parse_config(text, str(source or "the default study"))
    if seed is not None or limit is not None or engine:
        config = changed_config(config, seed=seed, limit=limit, engines=engine)
        text = config_text(config)
    check_study(config)
    if dry_run:
        _plan(folder, config, as_json=as_json)
        return
    with Study.open(folder, create=True) as study, stepping() as step:
        if not kept.exists():
            write_text(kept, text)
        done = run_study(study, config, step=step)
        write_text(kept, text)  # anew where another file was asked for, and not refused
    for line in done["lines"]:
        say(line)
    incomplete = done.pop("incomplete")
    result(done["result"], done, as_json=as_json)
    if incomplete is not None:
        raise incomplete


def _plan(folder: Path, config: StudyConfig, *, as_json: bool) -> None:
    from tempfile import TemporaryDirectory

    from cityfolk.cli.write import plan_text
    from cityfolk.stages import plan_study
    from cityfolk.study.folder import MANIFEST, Study

    with TemporaryDirectory() as empty:
        there = (folder / MANIFEST).exists()
        with (
            Study.open(folder if there else Path(empty), create=not there, read_only=there) as study,
            stepping() as step,
        ):
            plan = plan_study(study, config, step=step)
    result("\n\n\n".join(plan_text(one) for one in (plan, *plan["then"])), plan, as_json=as_json)


def _folder(file: Path | None) -> Path:
    if file is None:
        return Path("demo")
    inside = file.name == ASKED and (file.parent / "manifest.json").exists()
    return file.parent if inside else Path(file.stem)
