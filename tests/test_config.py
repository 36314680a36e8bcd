"""study.toml with what the command line asks for instead: written again, it is the same config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.config import (
    DEFAULT,
    PeopleSection,
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
CONFIG = st.builds(
    StudyConfig,
    seed=st.integers(0, 2**31),
    people=st.builds(PeopleSection, place=TEXT),
    write=WRITE,
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
