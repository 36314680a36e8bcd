"""Shares, intervals and wording, by hand."""

import polars as pl
import pytest

from cityfolk.evaluation.intervals import Z90, wilson
from cityfolk.evaluation.text_basic import distinct, text_findings, words

PROBLEM = {"rule": "age", "field": "family", "known": "34", "written": "52", "start": 0, "end": 2}


def table(n=10, wrong=1):
    kind = pl.List(pl.Struct({k: pl.Int32 if isinstance(v, int) else pl.String for k, v in PROBLEM.items()}))
    return pl.DataFrame(
        {
            "person_id": range(n),
            "engine": ["pocket"] * n,
            "model": ["m"] * n,
            "family": ["One two three."] * 2 + [f"Four five {chr(97 + i)}." for i in range(n - 2)],
            "reflection_summary": pl.Series([None] * n, dtype=pl.String),
            "strengths": [["a", "b", "c"]] * n,
            "problems": pl.Series([[PROBLEM]] * wrong + [[]] * (n - wrong), dtype=kind),
        }
    )


def test_wilson_by_hand():
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, table I
    z = 1.959963984540054
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        assert wilson(successes, n, z) == pytest.approx((low, high), abs=5e-5)
    # A bound b solves (p - b)^2 = z^2 b (1 - b) / n (Wilson 1927, equation 2 squared).
    for bound in wilson(8, 10):
        assert (0.8 - bound) ** 2 == pytest.approx(Z90**2 * bound * (1 - bound) / 10)
    assert wilson(5, 5)[1] == 1.0
    assert wilson(0, 5)[0] == 0.0


def test_distinct_by_hand():
    assert words("She's 34, isn't she? Àbc") == ["she's", "isn't", "she", "àbc"]
    assert distinct([["a", "b", "a"], ["a", "b"]], 1) == 2 / 5
    assert distinct([["a", "b", "a"], ["a", "b"]], 2) == 2 / 3


def test_findings():
    found = {f.id: f for f in text_findings(table(), failures={"pocket": 2})}
    assert found["text.valid"].value == pytest.approx(10 / 12)
    assert found["text.valid"].verdict == "outside"
    assert found["text.clear.age"].value == 0.9
    assert found["text.clear.sex"].value == 1.0
    assert found["text.clear.core"].verdict == "outside"
    assert found["text.words"].value == 3.0 == found["text.words"].low
    assert found["text.repeated"].value == 0.1
    assert all(f.id.startswith("text.") for f in found.values())


def test_two_engines_are_told_apart():
    both = pl.concat([table(), table(wrong=0).with_columns(engine=pl.lit("other"))])
    found = {f.id: f for f in text_findings(both)}
    assert found["text.clear.age@pocket"].value == 0.9
    assert found["text.clear.age@other"].value == 1.0
    assert "text.clear.age" not in found


def test_failures_are_counted_for_the_engine_that_failed():
    both = pl.concat([table(), table(wrong=0).with_columns(engine=pl.lit("other"))])
    found = {f.id: f for f in text_findings(both, failures={"pocket": 2, "other": 0, "silent": 5})}
    assert found["text.valid@pocket"].value == pytest.approx(10 / 12)
    assert found["text.valid@other"].value == 1.0
    assert (found["text.valid@silent"].value, found["text.valid@silent"].n) == (0.0, 5)
    assert not [name for name in found if name.endswith("@silent") and name != "text.valid@silent"]
    only = {f.id: f for f in text_findings(table().clear(), failures={"silent": 5})}
    assert only.keys() == {"text.valid"} and only["text.valid"].verdict == "outside"
