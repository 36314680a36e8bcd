"""Scores equal those of a published program on random answers; keys, missing answers and norms by hand."""

import numpy as np
import pytest
from ipipneo import IpipNeo
from ipipneo.norm import Norm
from ipipneo.reverse import ReverseScored120, ReverseScored300

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.scoring import (
    facets,
    keyed,
    keys,
    percentiles,
    score,
    short_form,
    sums,
    t_scores,
    trait_positions,
    z_scores,
)
from cityfolk.personality.inventory import inventory
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.vocabulary import TRAITS

PUBLISHED = "NEOAC"  # the order in which the program counts domains
NAMES = {"N": "neuroticism", "E": "extraversion", "O": "openness", "A": "agreeableness", "C": "conscientiousness"}


def random_answers(n, items, *path):
    return rng.child(3, "psychometrics", "scoring", *path).integers(1, 6, size=(n, items)).astype(float)


def published(row, items):
    """Return the program's facet sums (30 in its own order), domain sums by letter, and the scorer."""
    program = IpipNeo(question=items)
    form = {"answers": [{"id_question": i + 1, "id_select": int(value)} for i, value in enumerate(row)]}
    turned = (ReverseScored120 if items == 120 else ReverseScored300)(answers=form)
    totals = program.score([answer["id_select"] for answer in turned["answers"]])
    return totals, program.domain(totals), program


def facet_place(trait, number):
    """Return where the program keeps the facet `number` (0 to 5) of a trait."""
    letter = next(key for key, name in NAMES.items() if name == trait)
    return 1 + 5 * number + PUBLISHED.index(letter)


@pytest.mark.parametrize("items", [120, 300])
def test_sums_equal_those_of_the_published_scorer(items):
    answers = random_answers(40, items, "sums")
    traits, parts = sums(answers, f"IPIP-NEO-{items}")
    for row, mine, mine_facets in zip(answers, traits, parts, strict=True):
        totals, domains, _ = published(row, items)
        assert mine == pytest.approx([domains[trait[0].upper()] for trait in TRAITS])
        theirs = [totals[facet_place(trait, i % 6)] for i, (trait, _) in enumerate(facets())]
        assert mine_facets == pytest.approx(theirs)


def test_t_scores_within_a_norm_group_equal_those_of_the_published_scorer():
    answers = random_answers(32, 120, "t")
    ages = [18, 20, 21, 40, 41, 60, 61, 90] * 4
    sexes = ["female"] * 16 + ["male"] * 16
    traits, parts = t_scores(answers, ages, sexes)
    for row, age, sex, mine, mine_facets in zip(answers, ages, sexes, traits, parts, strict=True):
        totals, domains, program = published(row, 120)
        norm = Norm(sex=sex[0].upper(), age=age, nquestion=120)
        theirs = Norm.calc(domain=domains, norm=norm)
        assert mine == pytest.approx([theirs[trait[0].upper()] for trait in TRAITS])
        spread = program.distrib(size=len(totals), b5=program.b5create(totals), norm=norm)
        by_facet = [spread[trait[0].upper()][1 + i % 6] for i, (trait, _) in enumerate(facets())]
        assert mine_facets == pytest.approx(by_facet)


@pytest.mark.parametrize("instrument", ["IPIP-NEO-120", "IPIP-NEO-300", "IPIP-50"])
def test_every_high_answer_gives_one_and_always_the_middle_gives_half(instrument):
    high = np.where(keys(instrument) > 0, 5.0, 1.0)
    made = score(np.stack([high, 6 - high, np.full(len(high), 3.0)]), instrument)
    assert made.trait.tolist() == [[1.0] * 5, [0.0] * 5, [0.5] * 5]
    assert made.facet.shape == (3, 0 if instrument == "IPIP-50" else 30)
    assert set(made.facet[0]) <= {1.0}


def test_agreeing_with_everything_scores_the_share_of_positive_items():
    made = score(np.full((1, 50), 5.0), "IPIP-50")
    # Ten items each, of which these many are keyed positively: 7, 6, 5, 6 and, neuroticism turned round, 8.
    assert made.trait[0] == pytest.approx([0.7, 0.6, 0.5, 0.6, 0.8])
    assert [len(places) for places in trait_positions("IPIP-50")] == [10] * 5


def test_items_of_the_fifty_that_the_long_form_has_too_have_the_same_key():
    long = {item.text.casefold(): item for item in inventory("IPIP-NEO-300")}
    both = [(item, long[item.text.casefold()]) for item in inventory("IPIP-50") if item.text.casefold() in long]
    assert len(both) == 28
    assert all(one.keyed == other.keyed for one, other in both)
    # Two items serve another trait in the other instrument, as the published keys have it.
    moved = {one.text for one, other in both if one.trait != other.trait}
    assert moved == {"Am not really interested in others", "Feel others' emotions"}


def test_a_scale_needs_four_fifths_of_its_items():
    answers = np.full((1, 50), 3.0)
    extraversion = trait_positions("IPIP-50")[2]
    signs = keys("IPIP-50")
    answers[0, extraversion] = np.where(signs[extraversion] > 0, 5.0, 1.0)
    answers[0, extraversion[:2]] = np.nan
    made = score(answers, "IPIP-50")
    assert made.trait[0, 2] == 1.0 and made.answered[0] == 48
    answers[0, extraversion[2]] = np.nan
    made = score(answers, "IPIP-50")
    assert np.isnan(made.trait[0, 2]) and made.trait[0, 0] == 0.5


def test_percentiles_turn_the_raw_scores_back_into_what_was_asked_for():
    asked = np.array([0.03, 0.3, 0.5, 0.8, 0.97])
    answers = np.empty((1, 120))
    for position, (trait, places) in enumerate(zip(TRAITS, trait_positions("IPIP-NEO-120"), strict=True)):
        answers[0, places] = 1 + 4 * pomp_from_percentile(trait, asked[position])
    answers = np.where(keys("IPIP-NEO-120") > 0, answers, 6 - answers)
    assert percentiles(answers)[0] == pytest.approx(asked, abs=1e-4)
    assert z_scores(answers)[0, 2] == pytest.approx(0.0, abs=1e-3)


def test_the_long_form_is_read_by_the_short_one_within_it():
    answers = random_answers(5, 300, "short")
    assert percentiles(answers, "IPIP-NEO-300") == pytest.approx(percentiles(answers[:, short_form()]))
    assert len(set(short_form().tolist())) == 120


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="120 items"):
        score(np.ones((2, 119)))
    with pytest.raises(DataError, match="outside 1 to 5"):
        keyed(np.zeros((1, 120)), "IPIP-NEO-120")
    with pytest.raises(DataError, match="no norms of IPIP-50"):
        percentiles(np.full((1, 50), 3.0), "IPIP-50")
    assert np.isnan(percentiles(np.full((1, 120), np.nan))).all()
