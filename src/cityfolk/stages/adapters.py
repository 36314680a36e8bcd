"""An adapter that `train` has made in a study, as an engine that can be asked."""

from __future__ import annotations

from pathlib import Path

from cityfolk.errors import StudyError, UsageError
from cityfolk.stages.train import FOLDER, PERSONA, POCKET
from cityfolk.training.record import RECORD, read_training


def adapter_engine(study: Path, name: str) -> tuple[str, str]:
    """Return the engine of adapters/NAME, with the model that it was trained on, and its persona ("" for vectors).

    UsageError where the study has no such adapter, StudyError where its training has not ended.
    """
    folder = study / FOLDER / name
    if not folder.is_dir():
        there = sorted(path.parent.name for path in (study / FOLDER).glob(f"*/{RECORD}"))
        hint = f"it has {', '.join(there)}" if there else "make one: `cityfolk train DIR --persona NAME`"
        raise UsageError(f"{study} has no adapter {name!r}", hint=hint)
    if not (folder / RECORD).is_file():
        raise StudyError(f"the training of {folder} has not ended", hint="give the same `cityfolk train` again")
    training = read_training(folder)
    model = str(training.recipe.get("model") or training.model)
    engine = f"{POCKET}+{folder}" if model == POCKET else f"hf:{model}+{folder}"
    return engine, training.target_name if training.kind == PERSONA else ""
