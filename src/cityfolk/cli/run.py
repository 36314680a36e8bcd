"""`cityfolk run [STUDY.toml] [--out DIR]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import Json

ASKED = "study.toml"


def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="A study.toml; without one, that of the folder, else Cambridge with 200 lives."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to make or continue; by default the file's name, or demo.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the stages that a study has sections for, in order, continuing where it stopped."""
    from cityfolk.config import DEFAULT, parse_config, read_text
    from cityfolk.stages import check_study, run_study
    from cityfolk.study.files import write_text
    from cityfolk.study.folder import Study

    folder = out or _folder(file)
    kept = folder / ASKED
    source = file or (kept if kept.exists() else None)
    text = read_text(source) if source else DEFAULT
    config = parse_config(text, str(source or "the default study"))
    check_study(config)
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


def _folder(file: Path | None) -> Path:
    if file is None:
        return Path("demo")
    inside = file.name == ASKED and (file.parent / "manifest.json").exists()
    return file.parent if inside else Path(file.stem)
