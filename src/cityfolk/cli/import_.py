"""`cityfolk import FILE ... --out DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import Json, Out


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON, JSON Lines, Parquet, CSV, or a Hugging Face dataset folder; one a source."),
    ],
    out: Out,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="A TOML file that says which column is which fact or text.")
    ] = None,
    place: Annotated[
        str | None, typer.Option("--place", help="The place whose official tables the people are held against.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="What the file holds: profiles.")] = "profiles",
    as_json: Json = False,
) -> None:
    """Read others' personas into a study of their own, to be measured like any other."""
    from cityfolk.stages import import_personas
    from cityfolk.stages.importing import raise_if_lost
    from cityfolk.study.folder import Study

    for file in files:
        if not file.exists():
            from cityfolk.errors import UsageError

            raise UsageError(f"there is no file {file}", hint="check the path")
    with Study.open(out, create=True) as study, stepping() as step:
        done = import_personas(study, files, mapping=mapping, kind=kind, place=place, step=step)
    result(_words(done), done, as_json=as_json)
    with Study.open(out, read_only=True) as study:
        raise_if_lost(study)


def _words(done: dict[str, Any]) -> str:
    lines = [f"{done['profiles']:,} profiles in {done['folder']}"]
    counted = {
        "without_text": "records had no text and were left out",
        "mended": "records were damaged and mended",
        "lost": "pieces could not be read",
        "repeated_keys": "keys stood twice in one object; the last counts",
        "not_numbers": "numbers were none (NaN, Infinity)",
        "cleaned_texts": "texts held characters that no table can hold; they were taken out",
        "cut_texts": "texts were too long and were cut",
        "replaced_bytes": "bytes were no text in the file's encoding",
    }
    lines += [f"  {done[name]:,} {words}" for name, words in counted.items() if done[name]]
    width = max(len(account["column"]) for account in done["columns"])
    for account in done["columns"]:
        guess = " (guessed)" if account["guessed"] else ""
        missed = account["values"] - account["understood"]
        strange = ""
        if missed and account["became"].startswith("fact"):
            shown = ", ".join(repr(example) for example in account["examples"])
            strange = f"; {missed:,} not understood" + (f": {shown}" if shown else "")
        why = f" ({account['note']})" if account["note"] else ""
        lines.append(
            f"  {account['column']:<{width}}  -> {account['became']}{guess}, {account['values']:,} values{strange}{why}"
        )
    return "\n".join(lines)
