"""study.toml with what the command line asks for instead: written again, it is the same config."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.config import (
    DEFAULT,
    AnswersSection,
    JudgeSection,
    PairsSection,
    PeopleSection,
    QuestionsSection,
    ReportSection,
    StudyConfig,
    WriteSection,
    changed_config,
    config_text,
    parse_config,
)
from cityfolk.errors import UsageError

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
WRITE = st.builds(
    WriteSection,
    n=st.integers(1, 10**6),
    engines=st.lists(TEXT, min_size=1, max_size=3),
    depth=st.sampled_from(["brief", "full"]),
    filter=TEXT,
    targets=st.dictionaries(TEXT, TEXT, max_size=2),
    temperature=st.floats(0, 2),
    budget_usd=st.none() | st.floats(0, 1e6),
    concurrency=st.none() | st.integers(1, 999),
    cache=TEXT,
)
NAMES = st.lists(TEXT, min_size=1, max_size=3)
LIMITS = {"budget_tokens": st.none() | st.integers(0, 10**9), "cache": TEXT}
QUESTIONS = st.builds(
    QuestionsSection,
    n=st.integers(1, 999),
    topics=st.none() | st.integers(1, 300) | st.lists(TEXT, max_size=3),
    engine=TEXT.filter(bool),
    temperature=st.none() | st.floats(0, 2),
    **LIMITS,
)
ANSWERS = st.builds(
    AnswersSection,
    engines=NAMES,
    targets=NAMES,
    samples=st.integers(1, 99),
    split=st.sampled_from(["train", "held-out", "all"]),
    questions_per_topic=st.none() | st.integers(1, 100),
    limit=st.none() | st.integers(1, 10**6),
    persona=TEXT,
    **LIMITS,
)
JUDGE = st.builds(
    JudgeSection,
    judges=NAMES,
    orders=st.none() | st.integers(1, 4),
    way=st.none() | st.sampled_from(["auto", "expected", "schema"]),
    retest=st.none() | st.integers(0, 99),
    **LIMITS,
)
PAIRS = st.builds(
    PairsSection,
    name=TEXT,
    strategies=st.none() | NAMES,
    margin=st.none() | st.floats(0, 9),
    balance=st.booleans(),
    targets=st.lists(TEXT, max_size=2),
    vectors=st.booleans(),
)
CONFIG = st.builds(
    StudyConfig,
    seed=st.integers(0, 2**31),
    people=st.builds(PeopleSection, place=TEXT),
    write=WRITE,
    questions=st.none() | QUESTIONS,
    answers=st.none() | ANSWERS,
    judge=st.none() | JUDGE,
    pairs=st.none() | PAIRS,
    report=st.builds(ReportSection, title=TEXT),
)


@given(CONFIG)
def test_a_config_written_and_read_again_is_the_same(config):
    assert parse_config(config_text(config), "again") == config


def test_the_command_line_comes_first():
    config = parse_config(DEFAULT, "default")
    changed = changed_config(config, seed=9, limit=20, engines=["a", "b"])
    assert (changed.seed, changed.write.n, changed.write.engines) == (9, 20, ["a", "b"])
    assert changed_config(config, limit=10**6).write.n == 200  # a limit takes away and never adds
    assert changed_config(config) == config


def test_a_study_that_writes_nobody_takes_no_engine():
    config = parse_config('[people]\nplace = "cambridge-ma"\n', "f")
    assert changed_config(config, seed=3).seed == 3
    with pytest.raises(UsageError, match="writes nobody"):
        changed_config(config, limit=3)


def test_limits_are_keys_of_write_and_their_misspellings_are_recognized():
    keys = "budget_usd = 2.5\nbudget_tokens = 9\nrequests_per_minute = 60\ntokens_per_minute = 1e4\nprompt = 'short'\n"
    write = parse_config(f"[write]\n{keys}", "f").write
    assert (write.budget_usd, write.budget_tokens, write.tokens_per_minute, write.prompt) == (2.5, 9, 1e4, "short")
    with pytest.raises(UsageError) as caught:
        parse_config("[write]\nbudget_us = 3\n", "f")
    assert "budget_usd" in caught.value.hint


def test_the_sections_of_preference_data_stand_alone_and_take_limit_and_engine():
    text = """
    seed = 4
    [questions]
    topics = 20
    n = 10
    [answers]
    targets = ["archetypes", "sobol:32", "none"]
    limit = 9
    [judge]
    judges = ["rater", "lexicon"]
    [pairs]
    """
    config = parse_config(text, "f")
    assert config.questions.topics == 20 and config.pairs.name == "" and config.people is None
    changed = changed_config(config, limit=50, engines=["b", "a"])
    assert (changed.questions.engine, changed.answers.engines, changed.answers.limit) == ("b", ["b", "a"], 9)
    assert changed_config(config, limit=3).answers.limit == 3
    assert changed.judge.judges == ["rater", "lexicon"]  # who judges is no engine that writes
    assert config.evaluate is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[answers]\ntarget = ['none']\n", "targets"),
        ("[questions]\nzzzz = 3\n", "the keys there are"),
        ("[judge]\njudge = ['rater']\n", "judges"),
        ("[pairs]\nstrategy = ['base']\n", "strategies"),
        ("[answer]\nsamples = 3\n", "answers"),
    ],
)
def test_misspelt_keys_of_preference_data_are_recognized(text, hint):
    with pytest.raises(UsageError) as caught:
        parse_config(text, "f")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["[answers]\nsplit = 'test'\n", "[answers]\nsamples = 0\n", "[pairs]\nratio = 0.5\n", "[judge]\njudges = []\n"],
)
def test_values_that_cannot_be_are_refused(text):
    with pytest.raises(UsageError, match="f: "):
        parse_config(text, "f")


def test_the_example_in_the_guide_is_a_study():
    guide = (Path(__file__).parents[1] / "docs" / "study.md").read_text(encoding="utf-8")
    config = parse_config(guide.split("```toml\n")[1].split("```")[0], "docs/study.md")
    assert all(getattr(config, section) is not None for section in StudyConfig.model_fields)
