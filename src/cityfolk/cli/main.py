"""`cityfolk VERB`: one file a verb, one place that turns an exception into words and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from cityfolk.cli import (
    answer,
    ask,
    compare,
    counterfactual,
    doctor,
    engines,
    evaluate,
    export,
    import_,
    judge,
    pair,
    people,
    places,
    questions,
    report,
    run,
    serve_model,
    show,
    train,
    write,
)
from cityfolk.errors import CityfolkError

INTERRUPTED = 130

app = typer.Typer(
    name="cityfolk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A city of people you can question: built from official tables, each with a personality, some with a life.",
)


def handled(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the one error handler: a sentence, a next step, an exit code."""

    @wraps(verb)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
            sys.stdout.flush()
        except CityfolkError as error:
            print(f"error: {error}", file=sys.stderr)
            if error.hint:
                print(f"  try: {error.hint}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            print("interrupted; the same command continues where this one stopped", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader went away (| head): nobody is left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            traceback.print_exc()
            print(f"error: this is a bug in cityfolk ({type(error).__name__}): {error}", file=sys.stderr)
            print("  try: report the lines above with the command you ran", file=sys.stderr)
            raise typer.Exit(1) from error

    return wrapped


_VERBS: dict[str, Callable[..., None]] = {
    "run": run.run,
    "people": people.people,
    "write": write.write,
    "ask": ask.ask,
    "counterfactual": counterfactual.counterfactual,
    "questions": questions.questions,
    "answer": answer.answer,
    "judge": judge.judge,
    "pair": pair.pair,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "report": report.report,
    "compare": compare.compare,
    "show": show.show,
    "import": import_.import_,
    "export": export.export,
    "engines": engines.engines,
    "doctor": doctor.doctor,
    "serve-model": serve_model.serve_model,
}
for _name, _verb in _VERBS.items():
    app.command(_name)(handled(_verb))

_places = typer.Typer(invoke_without_command=True, help="List the places there are, or add one.", rich_markup_mode=None)
_places.callback()(handled(places.list_all))
_places.command("add")(handled(places.add))
app.add_typer(_places, name="places")


def main() -> None:
    """Run the command line."""
    app()
