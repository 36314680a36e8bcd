"""Which findings are flags, how each is tested, and that a family of them is corrected together."""

import pytest
from scipy import stats

from cityfolk.evaluation.corpus import Evidence
from cityfolk.evaluation.flags import ALPHA, ALPHA_OWN, flagged, flags, judge, p_value
from cityfolk.types import Finding


def share(name, value, n=500, expected=0.01):
    return Finding(id=name, title=name, value=value, n=n, expected=expected, note="a note")


def chance(name, value):
    return Finding(id=name, title=name, value=value, n=500, unit="p")


def test_p_values_are_worked_out_from_the_finding():
    wrong = share("text.true.contradicted.age", 25 / 500)
    assert p_value(wrong) == pytest.approx(stats.binomtest(25, 500, 0.01, alternative="greater").pvalue)
    assert p_value(share("text.variety.copies@a model", 0.0)) == 1.0
    deaf = Finding(id="text.personal.correlation.openness", title="", value=0.25, n=103, expected=0.25)
    assert p_value(deaf) == pytest.approx(0.5)
    assert p_value(chance("text.true.official.age.p", 0.03)) == 0.03
    assert p_value(chance("text.true.official.age", 0.03)) is None  # a distance, not a p-value
    assert p_value(share("text.true.contradicted.age", None)) is None
    assert p_value(share("text.clear.age", 0.5)) is None


def test_holm_runs_over_the_flags_of_a_source():
    level = ALPHA - ALPHA_OWN
    findings = [
        chance(f"text.true.official.{name}.p", p)
        for name, p in (("age", level / 3), ("sex", level / 2), ("job", level * 1.01))
    ]
    assert [finding.id for finding in flagged(findings)] == ["text.true.official.age.p", "text.true.official.sex.p"]
    # The same p-values are not enough among more flags, but those of another source don't count.
    more = [*findings, chance("text.true.official.party.p", 0.9)]
    assert flagged(more) == []
    elsewhere = [*findings, chance("text.true.official.party.p@b", 0.9)]
    assert len(flagged(elsewhere)) == 2


def test_verdicts_are_given_to_flags_and_to_nothing_else():
    other = Finding(id="text.words", title="", value=3.0)
    evidence = Evidence((share("text.true.contradicted.age", 0.05), share("text.true.contradicted.sex", 0.0), other))
    age, sex, same = judge(evidence).findings
    assert (age.verdict, sex.verdict) == ("outside", "inside") and same == other
    assert age.note.startswith("a note; Holm-corrected p = ")
    assert judge(judge(evidence)) == judge(evidence)


def test_a_measurement_that_judges_itself_is_taken_at_its_word():
    kind = Finding(id="text.fair.sentiment", title="", value=1.0, expected=0.0, verdict="outside")
    assert flagged([kind]) == [kind] and judge(Evidence((kind,))).findings == (kind,)
    fair = Finding(id="text.fair.sentiment", title="", value=0.0, expected=0.0, verdict="inside")
    assert flagged([fair]) == [] and len(flags([fair])) == 1
