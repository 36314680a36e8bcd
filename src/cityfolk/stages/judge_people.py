"""`judge --people` and `judge --calibrate`: sheets for people, ratings read back, and raw scores to percentiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl

from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.preferences.judging.base import ReadingRows
from cityfolk.preferences.judging.scale import Calibration, calibrate
from cityfolk.preferences.judging.sheet_page import sheet_page
from cityfolk.preferences.judging.sheets import (
    INSTRUMENT,
    Sheet,
    draw_sheet,
    instructions,
    rated,
    read_ratings,
    sheet_csv,
)
from cityfolk.stages.judge import VERB
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.judge_tables import (
    TABLE,
    Pool,
    answer_ids,
    keep_retests,
    read_calibrations,
    write_calibrations,
    write_readings,
)
from cityfolk.study.files import write_text
from cityfolk.study.folder import Study

Form = Literal["html", "csv"]
SHEETS, KEYS = "sheets", "keys"


def make_sheet(study: Study, who: str, *, n: int = 60, form: Form = "html", seed: int | None = None) -> dict[str, Any]:
    """Write a blind rating sheet for one person: sheets/WHO.html or WHO.csv, and its key under sheets/keys.

    Give away the sheet, never the key: the sheet alone tells nothing of what was asked for.
    """
    if form not in ("html", "csv"):
        raise UsageError(f"a sheet cannot be {form!r}", hint="html or csv")
    chosen = study.seed(seed)
    pool = Pool.of(study, None, chosen)
    sheet = draw_sheet(list(answer_ids(study)), who, n, chosen)
    wanted = set(sheet.answers)
    items = {
        item.answer_id: item
        for part in pool.parts()
        for item in pool.items(part.filter(pl.col("answer_id").is_in(wanted)))
    }
    folder = study.folder / SHEETS
    write_text(folder / KEYS / f"{sheet.sheet}.json", json.dumps(sheet.document(), indent=1, ensure_ascii=False) + "\n")
    path = folder / f"{who}.{form}"
    files = [path]
    if form == "html":
        write_text(path, sheet_page(sheet, items))
    else:
        write_text(path, sheet_csv(sheet, items))
        files.append(folder / "how-to-rate.txt")
        write_text(files[1], instructions())
    return {
        "sheet": sheet.sheet,
        "files": [str(one) for one in files],
        "answers": len(wanted),
        "lines": len(sheet.answers),
    }


def read_sheet(study: Study, path: Path, who: str) -> dict[str, Any]:
    """Read a filled-in sheet back as the judge "people:WHO", in place of what that person rated before.

    Raises DataError for a file that is not one, names a sheet of another study or person, or holds a wrong rating.
    """
    sheet_id, ratings = read_ratings(path)
    sheet = _key(study, sheet_id, path)
    if sheet.who != who:
        raise DataError(f"{path} is the sheet of {sheet.who}, not of {who}", hint=f"read it with --people {sheet.who}")
    found = rated(sheet, ratings, path)
    rows = ReadingRows()
    for reading, looks in found.readings:
        rows.add(reading, repeats=looks, same_family=False)
    frame = rows.frame()
    pool = Pool.of(study, None, study.seed())
    gone = frame.height - frame.join(_ids(study), on="answer_id", how="semi").height
    known = study.manifest["stages"].get(VERB, {}).get("config", {}).get("judges", {})
    study.begin(VERB, {"judges": {**known, sheet.judge: {"instrument": INSTRUMENT, "sheet": sheet.sheet}}}, fresh=True)
    study.work(VERB)
    write_readings(
        study, pool, {sheet.judge: lambda part, _: frame.join(part.select("answer_id"), on="answer_id", how="semi")}
    )
    half = len(found.again) // 2
    twice = [*((reading, 1) for reading in found.again[:half]), *((reading, 2) for reading in found.again[half:])]
    keep_retests(study, sheet.judge, twice)
    study.replace_findings("judges.", judge_findings(study))
    study.finish(VERB, readings={sheet.judge: frame.height}, notices=[])
    return {"judge": sheet.judge, "readings": frame.height - gone, "twice": half, "empty": found.empty, "gone": gone}


def _ids(study: Study) -> pl.DataFrame:
    return study.scan("answers").select("answer_id").collect()


def _key(study: Study, sheet_id: str, path: Path) -> Sheet:
    key = study.folder / SHEETS / KEYS / f"{sheet_id}.json"
    if not sheet_id.isalnum() or not key.exists():
        raise DataError(
            f"{path} is of no sheet of {study.folder}", hint="read it into the study whose sheet was filled in"
        )
    try:
        return Sheet.from_document(json.loads(key.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{key} cannot be read: {error}", hint="put it back from a copy") from error


def calibrate_judge(study: Study, judge: str, on: str) -> dict[str, Any]:
    """Settle how a judge's raw scores become percentiles, against a judge who knows: calibration.json and the table.

    Where the study has answers to questions of both splits, those of the split "train" alone are used, so that the
    others can show how good the calibration is.
    """
    readings = study.read(TABLE)
    split = study.read("questions").select("question_id", "split")
    about = study.scan("answers").select("answer_id", "question_id").collect().join(split, on="question_id")
    both = about["split"].n_unique() > 1
    if both:
        about = about.filter(pl.col("split") == "train")
    part = readings.join(about.select("answer_id"), on="answer_id", how="semi")
    known = read_calibrations(study)
    if on in known:
        raise UsageError(
            f"{on} is itself calibrated on {known[on].on}", hint=f"calibrate {judge} on {known[on].on} as well"
        )
    fitted = calibrate(part, judge, on, answers="train" if both else "all")
    write_calibrations(study, {**known, judge: fitted})
    write_readings(study, Pool.of(study, None, study.seed()), {})
    study.replace_findings("judges.", judge_findings(study))
    return {"calibration": fitted.document(), "lines": list(_told(fitted))}


def _told(fitted: Calibration) -> Iterator[str]:
    for trait, line in fitted.lines.items():
        sign = "-" if line.intercept < 0 else "+"
        yield (
            f"{trait}: z = {line.slope:.3f} * raw {sign} {abs(line.intercept):.3f} "
            f"(r {line.r:.2f} with {fitted.on}, {line.n:,} answers)"
        )
