"""The certificate on the hand-made town: every verdict worked out by hand."""

import math

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.certificate import cells, certificate, describe, worst
from cityfolk.evaluation.partitions import distances, groups, srmse, tvd
from cityfolk.evaluation.people import evaluate_people, rule_findings
from cityfolk.tables.rules import RULES
from cityfolk.tables.view import build_views
from tests.tables.town import STATE, households, people

HERE, THEN = "Town", "2024"
COLUMNS = ["table", "code", "universe", "geography", "dimensions", "measure", "estimate", "moe90", "vintage", "source"]


def tables(*rows: tuple, geography: str = HERE) -> pl.DataFrame:
    full = [(t, c, u, geography, d, m, e, moe, THEN, "by hand") for t, c, u, d, m, e, moe in rows]
    return pl.DataFrame(
        full, schema=COLUMNS, orient="row", schema_overrides={"estimate": pl.Float64, "moe90": pl.Float64}
    )


def views():
    return build_views(people(), households(), state=STATE)


# The town: 17 people, 8 female, 9 male; 14 of 16 or older, 5 employed, 1 in the armed forces, 1 unemployed.
ROWS = [
    ("T1", "a", "persons", "", "count", 17, None),
    ("T1", "b", "persons", "sex=female", "count", 10, 2),  # 8: at the edge, inside
    ("T1", "c", "persons", "sex=male", "count", 7, 1),  # 9: outside, z = 2
    ("T2", "d", "persons", "sex=female", "percent", 50, 10),  # b's quantity again
    ("T2", "e", "persons|age=16..", "employment=employed", "percent", 30.6, 5.0),  # 35.714: out by .114, more than .05
    ("T2", "f", "persons|age=16..", "employment=unemployed", "percent", 5.1, 2.0),  # 7.143: out by .043, rounding
    ("T2", "g", "persons|in_labor_force=yes", "employment=unemployed", "percent", 20, 6),  # 14.286: inside, a rate
    ("T2", "h", "persons", "", "median:age", 30, 5),
    ("T2", "i", "persons", "employment=armed forces", "count", 0, 0),  # 1, margin 0: outside
]


def test_each_cell_is_judged_as_by_hand():
    frame = cells(tables(*ROWS), views(), fitted=["d", "e"])
    by = {row["code"]: row for row in frame.iter_rows(named=True)}
    assert {code: row["inside"] for code, row in by.items()} == {
        "a": None,
        "b": True,
        "c": False,
        "d": True,
        "e": False,
        "f": True,
        "g": True,
        "h": True,  # the ninth of 17 ages is 31: 31 + (17 / 2 - 8) / 1 = 31.5
        "i": False,
    }
    assert [row["class"] for row in by.values()].count("judged") == 7
    assert (by["a"]["class"], by["h"]["class"]) == ("without margin", "medians and means")
    assert [code for code, row in by.items() if not row["counted"]] == ["d"]
    assert by["b"]["fitted"] and by["d"]["fitted"] and by["e"]["fitted"] and not by["c"]["fitted"]
    assert by["c"]["z"] == 2 and by["i"]["z"] is None
    assert (by["f"]["low"], by["f"]["high"]) == (pytest.approx(3.05), pytest.approx(7.15))
    assert by["g"]["quantity"] != by["f"]["quantity"]


def test_the_summary_counts_each_quantity_once():
    _, findings = certificate(tables(*ROWS), views(), fitted=["d", "e"])
    by = {finding.id: finding for finding in findings}
    assert len(by) == len(findings)
    # judged once each: b, c, e, f, g, i; inside: b, f, g
    whole = by["people.certificate.inside"]
    assert (whole.value, whole.n, whole.expected, whole.verdict) == (0.5, 6, 0.95, "outside")
    fitted = by["people.certificate.fitted.inside"]
    assert (fitted.value, fitted.n, fitted.expected) == (0.5, 2, 0.98)
    held = by["people.certificate.held_back.inside"]
    assert (held.value, held.n, held.verdict) == (0.5, 4, "none")
    assert by["people.certificate.T1.inside"].value == 0.5
    assert by["people.certificate.T2.inside"].n == 5  # d, e, f, g, i
    # T1's women and men: 8 and 9 of 17 against 10 and 7 of 17
    assert by["people.certificate.T1.tvd"].value == pytest.approx(2 / 17)
    assert by["people.certificate.T1.srmse"].value == pytest.approx((2 / 17) / 0.5)
    cell = by["people.certificate.cell.c"]
    assert (cell.value, cell.low, cell.high, cell.expected, cell.verdict) == (9, 6, 8, 7, "outside")
    assert "people.certificate.cell.d" not in by
    assert by["people.certificate.without_margin"].value == 0


def test_a_town_that_fits_is_accepted():
    rows = [("T1", "b", "persons", "sex=female", "count", 8, 0), ("T1", "c", "persons", "sex=male", "count", 9, 1)]
    _, findings = certificate(tables(*rows), views(), fitted=["b", "c"])
    assert [f.verdict for f in findings[:2]] == ["inside", "inside"]
    assert all(f.verdict != "outside" for f in findings)


def test_every_cell_outside_has_its_reason_and_no_other_has():
    rows = [
        *ROWS,
        ("T3", "j", "persons", "sex=male", "percent", 90, 5),  # c says 7 of 17, this one 15.3
        ("T3", "k", "persons", "age=..17", "count", 900, 10),
        ("T3", "l", "persons", "age=18..", "count", 900, 10),
    ]
    frame = cells(tables(*rows), views(), fitted=["k"])
    reasons = dict(frame.select("code", "reason").iter_rows())
    assert {code for code, reason in reasons.items() if reason} == {"c", "e", "i", "k", "l"}
    assert "inconsistent with j: official figures of 7 and 15" in reasons["c"]
    assert "under 100 people" in reasons["c"] and "held back" in reasons["c"] and "2.0 margins above" in reasons["c"]
    assert reasons["k"].startswith("fitted, but") and "89.5 margins below" in reasons["k"]
    assert reasons["l"].startswith("held back: not fitted")
    assert worst(frame, 2)["code"].to_list() == ["i", "k"]


def test_rows_from_elsewhere_are_apart():
    other = tables(("T9", "z", "persons", "sex=male", "count", 7, 1), geography="Delaware")
    frame = cells(pl.concat([tables(*ROWS), other]), views())
    row = frame.row(-1, named=True)
    assert (row["class"], row["counted"]) == ("borrowed", True)
    _, findings = certificate(pl.concat([tables(*ROWS), other]), views())
    by = {finding.id: finding for finding in findings}
    assert by["people.certificate.inside"].n == 6
    assert by["people.certificate.cell.z"].verdict == "none"
    assert "people.certificate.T9.inside" not in by


def test_a_count_without_margin_gives_way_to_its_percent():
    rows = [
        ("T1", "b", "persons", "sex=female", "count", 10, None),
        ("T2", "d", "persons", "sex=female", "percent", 50, 10),
    ]
    frame = cells(tables(*rows), views())
    assert frame["counted"].to_list() == [False, True]


def test_distances_by_hand():
    made, official = np.array([8.0, 9.0, 3.0]), np.array([10.0, 5.0, 5.0])
    assert tvd(made, official) == pytest.approx(0.5 * (0.1 + 0.2 + 0.1))
    assert srmse(made, official) == pytest.approx(math.sqrt((4 + 16 + 4) / 3) / (20 / 3))
    assert tvd(made, made * 7) == pytest.approx(0)


def test_groups_are_cells_that_exclude_each_other():
    frame = tables(
        ("T", "0", "persons", "", "count", 17, 1),
        ("T", "1", "persons", "age=..17", "count", 5, 1),
        ("T", "2", "persons", "age=18..64", "count", 8, 1),
        ("T", "3", "persons", "age=65..", "count", 4, 1),
        ("T", "4", "persons", "age=18..", "count", 12, 1),  # a subtotal: its parts are taken instead
        ("T", "5", "persons", "sex=male", "count", 9, 1),  # nothing to set it against
        ("T", "6", "persons", "age=..17|sex=male", "count", 4, 1),
        ("T", "7", "persons", "age=..17|sex=female", "count", 1, 1),
        ("U", "8", "persons", "sex=female", "count", 8, 1),  # another table
    )
    assert [[frame["code"][i] for i in group] for group in groups(frame)] == [["1", "2", "3"], ["6", "7"]]
    assert distances(frame.with_columns(made="estimate")) == (0, 0, 2)


def test_a_question_in_words():
    words = describe("persons|age=16..", "employment=employed;unemployed", "percent")
    assert words == "percent of persons (age 16..): employment employed or unemployed"
    assert describe("households", "", "median:income_usd") == "median income usd of households"


def test_rules_become_findings():
    findings = rule_findings(people().with_columns(party=pl.lit("other")), households())
    by = {finding.id: finding for finding in findings}
    assert len(by) == len(findings)
    assert (by["people.rules.broken"].value, by["people.rules.broken"].verdict) == (1, "outside")
    broken = by["people.rule.party_of_adult_citizens"]
    assert (broken.value, broken.expected, broken.n, broken.verdict) == (7, 0, 17, "outside")
    assert "for example person 2, 3, 4, 6, 9" in broken.note
    assert by["people.rule.householder_is_15"].verdict == "inside"


def test_a_rule_that_cannot_be_checked_is_not_called_kept():
    by = {f.id: f for f in rule_findings(people().drop("party"), households())}
    assert by["people.rule.party_of_adult_citizens"].verdict == "none"
    overall = by["people.rules.broken"]
    assert (overall.value, overall.n, overall.verdict) == (0, len(RULES) - 2, "none")  # party is also a category
    assert overall.note == "2 could not be checked: a column is missing"


def test_what_is_the_places_own_can_be_said():
    """Geography and vintage reach the certificate: with another vintage every row is borrowed."""
    own = evaluate_people(people(), households(), tables(*ROWS), state=STATE)
    lent = evaluate_people(people(), households(), tables(*ROWS), state=STATE, vintage="another")
    judged = [next(f.n for f in found if f.id == "people.certificate.inside") for found in (own, lent)]
    assert judged[0] and judged[1] == 0


def test_everything_at_once_has_ids_of_its_own():
    findings = evaluate_people(people(), households(), tables(*ROWS), fitted=["b"], state=STATE)
    assert len({finding.id for finding in findings}) == len(findings) > 100
