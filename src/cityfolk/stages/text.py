"""Everything that is measured of written text, whoever wrote it: a corpus -> findings, and marks of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.errors import DataError, UsageError
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.feeling.classifiers import Classifier
from cityfolk.evaluation.flags import judge
from cityfolk.evaluation.written import written_columns
from cityfolk.imports.build import build
from cityfolk.imports.mapping import read_mapping, settle
from cityfolk.imports.read import Raw, flat_rows
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import FINDING_SCHEMA
from cityfolk.vocabulary import TRAITS


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """What a measurement of text may be given beside the text.

    `embedder` is "lexical" (ships with the package), "none", or a model on this machine; `classifiers` are models of
    sentiment, emotion or toxicity on this machine, loaded or by name or folder. `tables` are the place's own
    (`load_place(...).tables`), `weights` has person_id and weight, `youngest` is the least age that was written.
    """

    embedder: str = "lexical"
    classifiers: Sequence[Classifier | str] = ()
    tables: pl.DataFrame | None = None
    weights: pl.DataFrame | None = None
    youngest: int = 18


Section = Callable[[Corpus, TextOptions], Evidence]


def sections(corpus: Corpus) -> dict[str, Section]:
    """Return what is measured of a corpus, by name, in order; sources are compared where there are several."""
    from cityfolk.evaluation.comparing import compare_evidence
    from cityfolk.evaluation.fairness.evidence import fairness_evidence
    from cityfolk.evaluation.feeling.evidence import feeling_evidence
    from cityfolk.evaluation.personal.evidence import personal_evidence
    from cityfolk.evaluation.personal.positivity import positivity_evidence
    from cityfolk.evaluation.truth.evidence import truth_evidence
    from cityfolk.evaluation.variety import variety_evidence

    found: dict[str, Section] = {
        "variety": lambda c, o: variety_evidence(c, embedder=o.embedder),
        "truth": lambda c, o: truth_evidence(c, o.tables, o.weights, youngest=o.youngest),
        "personality": lambda c, _: personal_evidence(c),
        "positivity": lambda c, _: positivity_evidence(c),
        "feeling": lambda c, o: feeling_evidence(c, o.classifiers),
        "fairness": lambda c, _: fairness_evidence(c),
    }
    if len(corpus.sources) > 1:
        found["comparison"] = lambda c, _: compare_evidence(c)
    return found


def measure_text(corpus: Corpus, options: TextOptions | None = None, *, step: Step = quiet) -> Evidence:
    """Measure a corpus by every section, and judge its flags together."""
    chosen = sections(corpus)
    evidence = Evidence()
    # Factors of tall matrices lose more to threads that wait for one another than they gain, on a busy machine tenfold.
    with threadpool_limits(limits=1, user_api="blas"):
        for done, (name, section) in enumerate(chosen.items()):
            step("evaluate text", done, len(chosen), name)
            evidence += section(corpus, options or TextOptions())
    step("evaluate text", len(chosen), len(chosen), "")
    return judge(evidence)


def evaluate(
    profiles: Any,
    people: Any = None,
    *,
    source: str = "profiles",
    embedder: str = "lexical",
    tables: pl.DataFrame | None = None,
    classifiers: Sequence[str] = (),
    seed: int = 0,
    step: Step = quiet,
) -> pl.DataFrame:
    """Measure profiles in a notebook: return the findings, one a row (id, title, value, low, high, n, ...).

    `profiles` is a polars or pandas frame, or a list of dicts, one a person. With a column person_id and columns of
    text it is taken as it is (who wrote them from a column source or engine, else `source`), and `people` says what is
    known: person_id and any columns of people.parquet. Without person_id columns are sorted into facts and texts by
    their names, as `cityfolk import` does. Raises DataError where there is no text.
    """
    corpus = corpus_of_profiles(profiles, people, source=source, seed=seed)
    options = TextOptions(
        embedder=embedder, classifiers=tuple(classifiers), tables=tables, youngest=youngest_of(corpus)
    )
    evidence = measure_text(corpus, options, step=step)
    return pl.DataFrame([asdict(finding) for finding in evidence.findings], schema=FINDING_SCHEMA)


def corpus_of_profiles(profiles: Any, people: Any = None, *, source: str = "profiles", seed: int = 0) -> Corpus:
    """Make a corpus from profiles and what is known of their people, as `evaluate` takes them."""
    rows = _rows(profiles)
    if not rows:
        raise DataError("there are no profiles to measure", hint="give at least one")
    if "person_id" in rows[0]:
        frame = profiles if isinstance(profiles, pl.DataFrame) else _table(rows)
        known = people if isinstance(people, pl.DataFrame) or people is None else _table(_rows(people))
    elif people is not None:
        raise DataError("profiles lack person_id, so nobody knows whose they are", hint="add the column person_id")
    else:
        raw = Raw(rows=[], columns=[])
        flat_rows(rows, raw)
        made = build(raw.rows, settle(read_mapping(None), raw.rows, raw.columns), source)
        frame, known = made.profiles, made.people
    named = [name for name in ("source", "engine") if name in frame.columns]
    by = pl.col(named[0]).cast(pl.String) if named else pl.lit(source)
    frame = frame.with_columns(by.alias("source"))
    return Corpus(profiles=frame, fields=text_fields(frame), people=known, seed=seed)


def text_fields(profiles: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns to measure: texts and lists of texts that tell of the person, not the reflections before."""
    known = {"source", "original_id", *TRAITS}
    return tuple(n for n in written_columns(profiles) if n not in known and not n.startswith("reflection_"))


def youngest_of(corpus: Corpus) -> int:
    """Return the least age that was written: 18 unless somebody younger is known to be among the people."""
    if corpus.people is None or "age" not in corpus.people.columns:
        return 18
    youngest = corpus.people.join(corpus.profiles, on="person_id", how="semi")["age"].drop_nulls().to_list()
    return min([18, *(int(age) for age in youngest)])


def details_frame(details: Sequence[Detail]) -> pl.DataFrame:
    """Return the marks of pictures as a table."""
    return pl.DataFrame([asdict(detail) for detail in details], schema=EMPTY_DETAILS.schema)


def _rows(given: Any) -> list[dict[str, Any]]:
    """Return a polars or pandas frame, or an iterable of dicts, as dicts; not a number (pandas' null) is null."""
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return given.lazy().collect().to_dicts()
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas, which is not ours to import
        given = given.to_dict("records")
    rows = list(given)
    if not all(isinstance(row, Mapping) for row in rows):
        raise UsageError("profiles are a frame or a list of dicts", hint="give one dict a person")
    return [{str(k): None if isinstance(v, float) and v != v else v for k, v in row.items()} for row in rows]


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    try:
        return pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"the rows do not make a table: {error}", hint="give each column one kind of value") from error
