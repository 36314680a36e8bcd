"""`evaluate DIR control` on a study with an adapter that knows its training questions by heart, and no others."""

import polars as pl
import pytest

from cityfolk.errors import UsageError
from cityfolk.stages import measure
from cityfolk.stages.pages import make_report
from cityfolk.stages.unseen import trainings_of
from cityfolk.study.folder import Study
from cityfolk.types import content_key
from tests.preferences.tables import cube, world
from tests.stages.test_pairs import study_of
from tests.training.runs import write_run

NAME = "any-dpo"
SCORES = [f"{kind}{t}" for kind in ("raw_", "") for t in
          ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")]  # fmt: skip


def tables():
    """Twelve vectors on four topics, one held out, with four questions each.

    The adapter says exactly what it is asked for where it was trained, and what it says to questions that it has not
    seen is the opposite.
    """
    targets = cube(12)
    questions, answers, readings = world(3, topics=4, each=4, targets=targets, samples=1, judges=("one",), off=0.3)
    split = dict(questions.select("question_id", "split").iter_rows())
    prompted = answers.filter(pl.col("condition") == "prompted")
    rename = {name: f"own-{name}" for name in prompted["answer_id"]}
    own = prompted.with_columns(
        answer_id=pl.col("answer_id").replace_strict(rename),
        condition=pl.lit(NAME),
        adapter=pl.lit(NAME),
        model=pl.lit(f"m+{NAME}@0123456789ab"),
    )
    about = own.select("answer_id", "question_id", "target_name")
    rows = []
    for answer, question, target in about.iter_rows():
        fresh = split[question] == "held-out" and question in ("topic-3-001", "topic-3-003")
        said = [1 - value if fresh else value for value in targets[target]]
        rows.append({"answer_id": answer, "judge": "one", "instrument": "one", "same_family": None}
                    | dict(zip(SCORES, [*said, *said], strict=True)))  # fmt: skip
    return questions, pl.concat([answers, own]), pl.concat([readings, pl.DataFrame(rows, schema=readings.schema)])


def study_with(folder, made, **about):
    study_of(folder, made)
    write_run(folder / "adapters" / NAME, kind="vectors", **about)
    return folder


def found_in(study):
    return {row["id"].removeprefix("control."): row for row in study.findings().iter_rows(named=True)}


def test_an_adapter_that_learned_its_questions_by_heart_is_not_measured_on_them(tmp_path):
    made = tables()
    watched = ["topic-3-000", "topic-3-002"]
    with Study.open(study_with(tmp_path / "s", made, watched_questions=watched)) as study:
        done = measure(study, ["control"])
        found, page = found_in(study), make_report(study).read_text(encoding="utf-8")
    assert found[f"overall.slope@one|m|{NAME}"]["value"] == pytest.approx(-1.0)
    assert found[f"overall.slope@one|m|{NAME}"]["n"] == 2 * 12 == found["overall.slope@one|m|prompted"]["n"]
    assert found["unasked.mae@one|m|prompted"]["n"] == 2
    kept = found[f"unseen@training|m|{NAME}"]
    assert (kept["value"], kept["n"]) == (24, 4 * 4 * 12)
    said = (
        f"{NAME} is measured on 24 of its 192 answers; left out: 144 on topics that are for training, 24 to questions"
    )
    assert any(line.startswith(said) for line in done["notices"]) and said in page
    # Without a record of its training the same answers look perfect.
    with Study.open(study_of(tmp_path / "u", made)) as study:
        measure(study, ["control"])
        assert found_in(study)[f"overall.slope@one|m|{NAME}"]["value"] > 0.7


def test_where_nothing_is_left_the_rest_is_measured_and_a_sentence_says_so(tmp_path):
    made = tables()
    every = made[0]["question_id"].to_list()
    with Study.open(study_with(tmp_path / "s", made, watched_questions=every)) as study:
        done = measure(study, ["control"])
        found = found_in(study)
    assert f"overall.slope@one|m|{NAME}" not in found and found["overall.slope@one|m|prompted"]["n"] == 192
    [said] = [line for line in done["notices"] if "Nothing is said" in line]
    assert "all its 192 answers" in said and "--split held-out" in said
    alone = (made[0], made[1].filter(pl.col("condition") != "prompted"), made[2])
    with Study.open(study_with(tmp_path / "a", alone, watched_questions=every)) as study:
        with pytest.raises(UsageError, match=f"none of the answers of {NAME} is to a question that") as refused:
            measure(study, ["control"])
        assert "--split held-out" in refused.value.hint


def test_another_studys_training_is_known_by_the_engine_and_the_words_of_its_questions(tmp_path):
    made = tables()
    text = dict(made[0].select("question_id", "text").iter_rows())
    folder = write_run(
        tmp_path / "elsewhere" / "adapters" / NAME,
        kind="vectors",
        watched_questions=["topic-3-001"],
        watched_texts=[content_key(text["topic-3-000"])],
    )
    with Study.open(study_of(tmp_path / "s", made)) as study:
        study.begin("answer", {}, free={"specs": ["pocket", f"pocket+{folder}"]})
        [known] = trainings_of(study).values()
        measure(study, ["control"])
        assert found_in(study)[f"unseen@training|m|{NAME}"]["value"] == 3 * 12
    # Ids are those of the other study, and say nothing here.
    assert known.ids == frozenset() and known.texts == {content_key(text["topic-3-000"])}
