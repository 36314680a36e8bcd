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
    kind: Annotated[
        str, typer.Option("--kind", help="What the file holds: profiles, questions, or auto: it is found out.")
    ] = "auto",
    persona: Annotated[
        str, typer.Option("--persona", help="The file holds a tuned model's judged answers; the archetype it is for.")
    ] = "",
    base: Annotated[
        Path | None, typer.Option("--base", help="With --persona: the untuned model's answers to the same questions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read others' personas into a study of their own, to be measured like any other."""
    from cityfolk.imports.answers import looks_like_answers
    from cityfolk.imports.questions import is_questions_file
    from cityfolk.stages import import_personas
    from cityfolk.stages.importing import check_kind, raise_if_lost
    from cityfolk.study.folder import Study

    check_kind(kind)
    for file in files:
        if not file.exists():
            from cityfolk.errors import UsageError

            raise UsageError(f"there is no file {file}", hint="check the path")
    if persona or base is not None:
        _answers(files, out, persona, base, as_json)
        return
    if kind == "auto" and mapping is None and looks_like_answers(files[0]):
        from cityfolk.errors import UsageError

        raise UsageError(
            f"{files[0]} holds judged answers", hint="say for which archetype the model was tuned: --persona NAME"
        )
    if kind == "questions" or (kind == "auto" and mapping is None and is_questions_file(files[0])):
        _questions(files, out, as_json)
        return
    kind = "profiles" if kind == "auto" else kind
    with Study.open(out, create=True) as study, stepping() as step:
        done = import_personas(study, files, mapping=mapping, kind=kind, place=place, step=step)
    result(_words(done), done, as_json=as_json)
    with Study.open(out, read_only=True) as study:
        raise_if_lost(study)


def _answers(files: list[Path], out: Path, persona: str, base: Path | None, as_json: bool) -> None:
    from cityfolk.errors import UsageError
    from cityfolk.stages.importing_answers import import_answers, raise_if_answers_lost
    from cityfolk.study.folder import Study

    if not persona or len(files) != 1:
        raise UsageError(
            "answers are imported one file at a time, for one persona", hint="cityfolk import FILE --persona NAME"
        )
    with Study.open(out, create=True) as study, stepping() as step:
        done = import_answers(study, files[0], persona, base, step=step)
    text = (
        f"{done['answers']:,} answers to {done['questions']:,} questions in {done['folder']}, "
        f"{done['readings']:,} of them read by {done['judge']}"
    )
    result(text, done, as_json=as_json)
    with Study.open(out, read_only=True) as study:
        raise_if_answers_lost(study, done)


def _questions(files: list[Path], out: Path, as_json: bool) -> None:
    from cityfolk.stages.importing import raise_if_lost
    from cityfolk.stages.importing_questions import import_questions
    from cityfolk.study.folder import Study

    with Study.open(out, create=True) as study, stepping() as step:
        done = import_questions(study, files, step=step)
    identical = done["identical_within_topics"] + done["identical_across_topics"]
    near = done["near_within_topics"] + done["near_across_topics"]
    within = done["identical_within_topics"]
    share, across = done["near_threshold_within_topics"], done["near_threshold_across_topics"]
    lines = [
        f"{done['questions']:,} distinct questions under {done['topics']:,} topics in {done['folder']}",
        f"  {done['records']:,} were read",
        f"  {identical:,} are letter for letter an earlier one, {within:,} under the same topic",
        f"  {done['alike_but_for_form']:,} are one but for case, punctuation or spaces",
        f"  {near:,} of those kept are near copies: they share {share:.0%} or more of their pairs of words with one "
        f"under the same topic, or {across:.0%} or more with one under another",
        f"  {done['held_out_topics']:,} topics are held out",
    ]
    result("\n".join(lines), done, as_json=as_json)
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
