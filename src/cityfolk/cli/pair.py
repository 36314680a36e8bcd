"""`cityfolk pair DIR`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import Folder, Json

_Name = Annotated[str, typer.Option("--name", help="What these pairs are called; by default what is chosen.")]
_Strategy = Annotated[
    list[str],
    typer.Option(
        "--strategy",
        help="What is rejected: nearest-wrong (made under a near target, one trait off), base (an answer without a "
        "target) or farthest (the worst other answer under the same target). May be given again.",
    ),
]
_Margin = Annotated[
    float,
    typer.Option("--margin", min=0.0, help="How much nearer the chosen answer is at least, in standard deviations."),
]
_Persona = Annotated[
    list[str], typer.Option("--persona", help="Only pairs for this target, such as Diplomat. May be given again.")
]
_Vectors = Annotated[bool, typer.Option("--vectors", help="Only pairs for targets that are no archetype.")]
_Judges = Annotated[
    list[str],
    typer.Option("--judge", help="Whose readings count; by default everybody's but the grammar's. May be given again."),
]
_Split = Annotated[str, typer.Option("--split", help="Questions of which topics: train, held-out or all.")]
_Ratio = Annotated[
    float, typer.Option("--length-ratio", min=1.0, help="No answer has more than so many times the words of the other.")
]
_Reuse = Annotated[int, typer.Option("--reuse", min=1, help="How often one answer may be rejected.")]
_Tilt = Annotated[
    float,
    typer.Option(
        "--tilt", min=1.0, help="The commoner direction of a trait has at most so many times the rarer's pairs."
    ),
]
_Balance = Annotated[bool, typer.Option("--balance/--no-balance", help="Drop pairs so that the whole is balanced.")]
_SHOWN = 6  # corners that are named when they have no pair


def pair(
    folder: Folder,
    name: _Name = "",
    strategy: _Strategy = ["nearest-wrong", "base"],  # noqa: B006 - typer copies it
    margin: _Margin = 0.5,
    persona: _Persona = [],  # noqa: B006
    vectors: _Vectors = False,
    judge: _Judges = [],  # noqa: B006
    split: _Split = "all",
    length_ratio: _Ratio = 1.5,
    reuse: _Reuse = 4,
    tilt: _Tilt = 3.0,
    balance: _Balance = True,
    as_json: Json = False,
) -> None:
    """Make preference pairs of the answers: chosen is nearer to its target than rejected."""
    from cityfolk.stages import PairOptions, pair_answers
    from cityfolk.study.folder import Study

    options = PairOptions(
        name=name,
        strategies=tuple(strategy),
        margin=margin,
        ratio=length_ratio,
        reuse=reuse,
        tilt=tilt,
        balance=balance,
        targets=tuple(persona),
        vectors=vectors,
        judges=tuple(judge),
        split=split,
    )
    with Study.open(folder) as study, stepping() as step:
        done = pair_answers(study, options, step=step)
    if done["same_family"]:
        say(f"WARNING: {', '.join(done['same_family'])} judged answers of a model of its own family")
    for notice in done["notices"]:
        say(notice)
    result(_words(done), done | {"folder": str(folder)}, as_json=as_json)


def _words(done: dict[str, Any]) -> str:
    from cityfolk.preferences.pairs import REASONS

    lines = [
        f"{done['pairs']:,} pairs of {done['asked']:,} that could be: {done['table']}.parquet",
        f"  questions: {done['questions']:,}; topics: {done['topics']:,}; "
        + ", ".join(f"{count:,} {split}" for split, count in done["splits"].items()),
        f"  judges: {', '.join(done['judges'])}; mean margin {done['mean_margin']:.2f}; "
        f"chosen has {done['words_ratio']:.2f} times the words of rejected",
    ]
    lines += [f"  no pair, {count:,}: {REASONS[reason]}" for reason, count in done["missing"].items()]
    sides = done["directions"]
    lines += ["  pairs by direction (low / high):"]
    for trait in dict.fromkeys(side.split(" ", 1)[1] for side in sides):
        lines.append(f"    {trait:<18}{sides[f'low {trait}']:>7,} / {sides[f'high {trait}']:,}")
    empty = [corner for corner, count in done["corners"].items() if not count]
    lines.append(f"  {32 - len(empty)} of the 32 corners have pairs" + (f"; none: {_few(empty)}" if empty else ""))
    return "\n".join(lines)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more
