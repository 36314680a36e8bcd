"""`judge` on a study's folder: readings beside each other, resumed, refused, calibrated, families told."""

import json

import polars as pl
import pytest

from cityfolk.errors import DataError, EngineError, IncompleteError, StudyError, UsageError
from cityfolk.preferences.judging.scale import judge_z
from cityfolk.preferences.records import READINGS
from cityfolk.stages import judge_tables
from cityfolk.stages.judge import JudgeOptions, judge_answers
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.judge_people import calibrate_judge
from cityfolk.stages.judge_plan import plan_judge
from cityfolk.study.folder import Study
from tests.preferences.judging.cases import Server, levels_in, study


@pytest.fixture
def server():
    made = []

    def start(**options):
        made.append(Server(**options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def run(folder, *judges, **options):
    with Study.open(folder) as opened:
        return judge_answers(opened, JudgeOptions(judges=judges, **options))


def readings(folder):
    return pl.read_parquet(folder / "readings.parquet")


def findings(folder):
    return {row["id"]: row for row in pl.read_parquet(folder / "findings.parquet").to_dicts()}


def test_judges_stand_beside_each_other(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=5), server()
    done = run(folder, "lexicon")
    assert done["readings"] == {"lexicon": 40}
    before = readings(folder)
    done = run(folder, one.spec, orders=1)
    table = readings(folder)
    assert done["readings"] == {"openai:qwen3:8b": 40} and dict(table.schema) == READINGS
    assert table.filter(pl.col("judge") == "lexicon").equals(before)
    assert table["judge"].unique().sort().to_list() == ["lexicon", "openai:qwen3:8b"]
    own = table.filter(pl.col("judge") != "lexicon")
    answers = pl.read_parquet(folder / "answers.parquet")
    assert own["answer_id"].to_list() == answers["answer_id"].to_list()
    shown = [levels_in(text)["openness"] for text in answers["text"]]
    assert own["raw_openness"].to_numpy() == pytest.approx([(level - 1) / 8 for level in shown], abs=0.09)
    assert own["openness"].null_count() == 40 and own["spread_openness"].null_count() == 0
    assert findings(folder)["judges.same_family@openai:qwen3:8b"]["value"] is None
    assert "judges.pearson.openness@lexicon|openai:qwen3:8b" in findings(folder)


def test_the_same_command_again_asks_nobody_and_changes_no_byte(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=4), server()
    run(folder, "lexicon", one.spec)
    before, calls = (folder / "readings.parquet").read_bytes(), len(one.bodies)
    run(folder, "lexicon", one.spec)
    assert (folder / "readings.parquet").read_bytes() == before and len(one.bodies) == calls == 4 * 8 * 10


def test_a_job_that_was_stopped_goes_on_where_it_was(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=4), server()

    class Enough(Exception):
        pass

    def stop(_, done, __, ___):
        if done > 100:
            raise Enough

    with pytest.raises(Enough), Study.open(folder) as opened:
        judge_answers(opened, JudgeOptions(judges=(f"{one.spec}?concurrency=8",)), step=stop)
    answered = len(one.bodies)
    assert answered > 100 and not (folder / "readings.parquet").exists()
    done = run(folder, f"{one.spec}?concurrency=8")
    assert done["readings"] == {"openai:qwen3:8b": 32}
    # More than 100 were settled and are not asked again; 8 that were in flight may have come in after the stop.
    assert len(one.bodies) - answered <= 320 - 100 + 8


def test_another_config_of_the_same_judge_is_refused(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=2), server()
    run(folder, one.spec, orders=2)
    with pytest.raises(StudyError, match="orders was 2 and is now 1"):
        run(folder, one.spec, orders=1)
    with pytest.raises(StudyError, match="way was 'expected' and is now 'schema'"):
        run(folder, one.spec, way="schema")
    run(folder, "lexicon")  # another judge is another matter


def test_every_config_is_looked_at_before_anybody_reads(tmp_path, server):
    folder, first, last = study(tmp_path / "s", questions=2), server(), server()
    spec = last.spec.replace("qwen3:8b", "gemma3:4b")
    run(folder, spec, orders=2)
    before = (folder / "readings.parquet").read_bytes()
    with pytest.raises(StudyError, match=r"gemma3:4b has read answers .* orders was 2 and is now 1"):
        run(folder, "lexicon", first.spec, spec, orders=1)
    assert first.bodies == [] and (folder / "readings.parquet").read_bytes() == before
    for options in ({"limit": 0}, {"retest": -1}, {"orders": 9}, {"way": "loud"}):
        with pytest.raises(UsageError):
            JudgeOptions(**options)


def test_answers_that_come_later_change_no_choice(tmp_path, server):
    folder, one = study(tmp_path / "s"), server()
    with Study.open(folder) as opened:
        every = opened.read("answers")
        opened.write("answers", every.filter(pl.col("question_id") < "topic-1"))
    run(folder, one.spec, limit=12, orders=1)
    chosen = set(readings(folder)["answer_id"])
    with Study.open(folder) as opened:
        opened.write("answers", every)
    calls = len(one.bodies)
    run(folder, "lexicon")  # who reads everything chooses nothing for the others
    run(folder, one.spec, limit=12, orders=1)
    own = readings(folder).filter(pl.col("judge") == "openai:qwen3:8b")
    assert set(own["answer_id"]) == chosen and len(one.bodies) == calls
    run(folder, one.spec, limit=20, orders=1)
    own = readings(folder).filter(pl.col("judge") == "openai:qwen3:8b")
    assert own.height == 20 and chosen < set(own["answer_id"])


def test_the_table_is_made_in_parts_of_any_size(tmp_path, server, monkeypatch):
    tables, one = [], server()
    for size in (3, 10**6):
        monkeypatch.setattr(judge_tables, "_SLICE", size)
        folder = study(tmp_path / str(size), questions=2)
        run(folder, "lexicon", limit=5)
        run(folder, one.spec, "lexicon", orders=1, way="schema")
        tables.append(readings(folder))
    assert tables[0].height == 32 and tables[0].equals(tables[1])


def test_more_answers_later_add_and_limits_choose_the_same(tmp_path, server):
    folder = study(tmp_path / "s")
    run(folder, "lexicon", limit=10)
    first = readings(folder)
    one = server()
    run(folder, one.spec, limit=10, orders=1)
    table = readings(folder)
    assert set(table.filter(pl.col("judge") != "lexicon")["answer_id"]) == set(first["answer_id"])
    run(folder, "lexicon", limit=25)
    more = readings(folder).filter(pl.col("judge") == "lexicon")
    assert more.height == 25 and set(first["answer_id"]) <= set(more["answer_id"])
    run(folder, "lexicon")
    assert readings(folder).filter(pl.col("judge") == "lexicon").height == 80


def test_what_a_judge_could_not_say_is_a_failure_and_the_rest_is_kept(tmp_path, server):
    folder = study(tmp_path / "s", questions=4)
    answers = pl.read_parquet(folder / "answers.parquet")
    broken = answers["answer_id"][5]
    text = pl.when(pl.col("answer_id") == broken).then(pl.lit("nonsense ") + pl.col("text")).otherwise("text")
    with Study.open(folder) as opened:
        opened.write("answers", answers.with_columns(text=text))
    one = server(refuse=("nonsense",))
    with pytest.raises(IncompleteError, match="judgings are missing"):
        run(folder, one.spec, "lexicon", orders=1, way="schema")
    table = readings(folder)
    assert table.filter(pl.col("judge") == "lexicon").height == 32
    own = table.filter(pl.col("judge") != "lexicon")
    assert own.height == 31 and broken not in own["answer_id"]
    failed = [json.loads(line) for line in (folder / "failures.jsonl").read_text().splitlines()]
    assert [row["label"].split()[0] for row in failed] == [broken] and failed[0]["stage"] == "judge"
    one.refuse = ()
    assert run(folder, one.spec, orders=1, way="schema")["readings"] == {"openai:qwen3:8b": 32}
    assert (folder / "failures.jsonl").read_text() == ""


def test_a_dead_judge_does_not_keep_the_others_from_reading(tmp_path, server):
    folder, dead = study(tmp_path / "s", questions=2), server()
    dead.close()
    with pytest.raises(EngineError):
        run(folder, dead.spec, "lexicon")
    assert readings(folder)["judge"].unique().to_list() == ["lexicon"]


def test_the_generators_family_is_said_loudly(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=3, model="Qwen/Qwen3-14B"), server()
    done = run(folder, one.spec, "lexicon", orders=1)
    assert [text for text in done["notices"] if text.startswith("SAME FAMILY: openai:qwen3:8b judges what Qwen/")]
    table = readings(folder)
    assert table.filter(pl.col("judge") == "lexicon")["same_family"].to_list() == [False] * 24
    assert table.filter(pl.col("judge") != "lexicon")["same_family"].to_list() == [True] * 24
    found = findings(folder)["judges.same_family@openai:qwen3:8b"]
    assert (found["value"], found["verdict"]) == (1.0, "outside")


def test_asked_twice(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=4), server()
    run(folder, one.spec, orders=1, retest=25)
    assert len(one.bodies) == (32 + 25) * 5
    table = pl.read_parquet(folder / "retests.parquet")
    assert table.group_by("look").len().sort("look").rows() == [(1, 25), (2, 25)]
    found = findings(folder)["judges.retest.openness@openai:qwen3:8b"]
    assert found["value"] == pytest.approx(1.0) and found["n"] == 25


def test_a_calibration_is_kept_in_the_study_and_read_by_whoever_compares(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=10), server()
    run(folder, one.spec, orders=1)
    # Somebody who knows: the levels in the text, as percentiles.
    table, answers = readings(folder), pl.read_parquet(folder / "answers.parquet")
    level = {row["answer_id"]: levels_in(row["text"]) for row in answers.iter_rows(named=True)}
    from scipy.special import ndtr

    known = table.with_columns(
        judge=pl.lit("people:all"),
        **{
            trait: pl.Series([float(ndtr((level[a][trait] - 5) / 2)) for a in table["answer_id"]])
            for trait in level[answers["answer_id"][0]]
        },
    )
    with Study.open(folder) as opened:
        opened.write("readings", pl.concat([table, known]))
        with pytest.raises(UsageError, match="not calibrated on targets"):
            calibrate_judge(opened, "openai:qwen3:8b", "targets")
        done = calibrate_judge(opened, "openai:qwen3:8b", "people:all")
    assert done["calibration"]["answers"] == "train" and done["calibration"]["lines"]["openness"]["n"] == 40
    document = json.loads((folder / "calibration.json").read_text())
    assert document["openai:qwen3:8b"]["on"] == "people:all"
    after = readings(folder)
    mine, theirs = (after.filter(pl.col("judge") == judge) for judge in ("openai:qwen3:8b", "people:all"))
    assert mine["openness"].null_count() == 0
    assert judge_z(mine)[:, 0] == pytest.approx(judge_z(theirs)[:, 0], abs=0.35)  # both ends of the digits bend
    assert theirs.equals(known.select(theirs.columns))
    found = findings(folder)
    assert found["judges.bias.openness@openai:qwen3:8b|people:all"]["value"] == pytest.approx(0, abs=0.1)
    with Study.open(folder) as opened, pytest.raises(UsageError, match="itself calibrated"):
        calibrate_judge(opened, "lexicon", "openai:qwen3:8b")
    # What is read later is on the same scale.
    run(folder, "lexicon")
    assert readings(folder).filter(pl.col("judge") == "openai:qwen3:8b").equals(mine)


def test_readings_of_answers_that_are_gone_go(tmp_path):
    folder = study(tmp_path / "s")
    run(folder, "lexicon")
    with Study.open(folder) as opened:
        opened.write("answers", opened.read("answers").head(30))
    run(folder, "lexicon")
    assert readings(folder).height == 30


def test_a_plan_counts_and_asks_nobody(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=4), server()
    with Study.open(folder, read_only=True) as opened:
        plan = plan_judge(opened, JudgeOptions(judges=(one.spec, "lexicon"), orders=2))
    assert plan["calls"] == 32 * 10 and plan["answers"] == 32 and plan["free"] == ["lexicon"] and one.bodies == []
    assert "Openness" in plan["messages"][-1]["content"]
    run(folder, one.spec, limit=10)
    with Study.open(folder, read_only=True) as opened:
        plan = plan_judge(opened, JudgeOptions(judges=(one.spec,), orders=2))
        assert plan["calls"] == 22 * 10 and plan["engines"][0]["answered"] == 100
        assert plan_judge(opened, JudgeOptions(judges=("lexicon",)))["calls"] == 0


def test_what_cannot_be_judged(tmp_path):
    folder = study(tmp_path / "s", questions=1)
    with pytest.raises(UsageError, match="there is no judge named") as caught:
        run(folder, "lexicn")
    assert "lexicon" in caught.value.hint
    with pytest.raises(UsageError, match="nobody is asked"):
        run(folder)
    with Study.open(folder) as opened:
        opened.write("questions", opened.read("questions").head(0))
    with pytest.raises(DataError, match=r"question that questions\.parquet does not have"):
        run(folder, "lexicon")
    with Study.open(tmp_path / "empty", create=True) as opened:
        opened.begin("answer", {"seed": 0})
        with pytest.raises(StudyError, match=r"has no questions\.parquet"):
            judge_answers(opened, JudgeOptions())


def test_the_rater_and_the_grammar_read_a_study(tmp_path):
    from cityfolk.pocket.answering import write_answer

    def said(levels, stream):
        return write_answer("keeping a household budget", (), [(level - 5) / 2 for level in levels], stream)

    folder = study(tmp_path / "s", questions=10, model="pocket-1@0", text=said)
    done = run(folder, "rater", "lexicon", "grammar")
    assert done["readings"] == {"rater": 80, "lexicon": 80, "grammar": 80}
    assert any("known truth" in text for text in done["notices"])
    found = findings(folder)
    assert found["judges.unread@grammar"]["value"] == 0.0 and found["judges.same_family@grammar"]["verdict"] == "none"
    assert found["judges.pearson.extraversion@grammar|rater"]["value"] > 0.4
    assert "judges.slope.openness@rater" in found
    # The vector behind a text is read back by the grammar that wrote it.
    table = readings(folder).filter(pl.col("judge") == "grammar")
    targets = pl.read_parquet(folder / "answers.parquet").select("answer_id", "target_openness")
    both = table.join(targets, on="answer_id").drop_nulls(["target_openness", "openness"])
    assert both.select(pl.corr("openness", "target_openness", method="spearman")).item() > 0.8


def test_of_many_answers_some_are_measured(tmp_path):
    folder = study(tmp_path / "s")
    run(folder, "lexicon")
    with Study.open(folder, read_only=True) as opened:
        some = {finding.id: finding for finding in judge_findings(opened, most=30)}
        whole = {finding.id: finding for finding in judge_findings(opened)}
    assert some["judges.unread@lexicon"].n == 30 and whole["judges.unread@lexicon"].n == 80


def test_a_judge_that_never_reads_is_said_and_crashes_nothing(tmp_path, server):
    folder, mute = study(tmp_path / "s", questions=2), server(refuse=("",))
    for _ in range(2):
        with pytest.raises(IncompleteError, match="16 judgings are missing"):
            run(folder, mute.spec, "lexicon", orders=1, way="schema")
    assert readings(folder)["judge"].unique().to_list() == ["lexicon"]


def test_a_plan_asks_as_the_judge_was_asked_before(tmp_path, server):
    folder, one = study(tmp_path / "s", questions=4), server()
    run(folder, one.spec, limit=10, way="schema", orders=1)
    with Study.open(folder, read_only=True) as opened:
        assert plan_judge(opened, JudgeOptions(judges=(one.spec,), orders=1))["calls"] == 22


def test_that_the_word_list_is_inside_the_rater_is_said(tmp_path):
    folder = study(tmp_path / "s", questions=2)
    assert any("proves little" in notice for notice in run(folder, "rater", "lexicon", "grammar")["notices"])
