"""Sources on the same people: differences that are there are found, the same model twice is left alone."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from cityfolk import rng
from cityfolk.evaluation.comparing import Measured, compare_evidence, compare_measured, measure
from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.feeling.lexicon import sentiment
from cityfolk.evaluation.personal.scores import Rater
from cityfolk.vocabulary import TRAITS

NAMES = ("words", "variety", "sentiment", "claims", "contradictions", "invented", *(f"expressed.{t}" for t in TRAITS))


def written(seed, source, n=60, people=None, shift=0.0, tell=1.0):
    """Return what a model wrote of the same people: a person's own level, what the drawn trait shows, and chance."""
    person = rng.child(7, "person", n)
    drawn, level = person.uniform(0.01, 0.99, size=(n, 5)), person.normal(size=(n, len(NAMES)))
    noise = rng.child(seed, "noise", source)
    values = level + noise.normal(size=level.shape) + shift
    expressed = tell * stats.norm.ppf(drawn) + noise.normal(size=(n, 5))
    ids = np.arange(n) if people is None else people
    return Measured(source, ids, NAMES, values, expressed, drawn)


def found(evidence):
    return {finding.id: finding for finding in evidence.findings}


def test_the_same_model_twice_differs_no_more_often_than_stated():
    count = 0
    for seed in range(200):
        pair = [written(seed, "a"), written(seed, "b")]
        findings = compare_measured(pair, seed=seed, swaps=999).findings
        assert len(findings) == len(NAMES) + 5
        count += any(finding.verdict == "outside" for finding in findings)
    assert stats.binom.sf(count - 1, 200, 0.05) > 0.01, count


def test_a_difference_is_found_with_its_interval():
    findings = found(compare_measured([written(1, "a", 200, shift=1.0), written(1, "b", 200)], swaps=999))
    words = findings["text.compare.words@a~b"]
    assert words.verdict == "outside" and words.low < 1.0 < words.high and words.expected == 0.0 and words.n == 200
    assert findings["text.compare.correlation.openness@a~b"].verdict == "inside"


def test_a_model_that_tells_less_of_a_trait_is_found():
    findings = found(compare_measured([written(2, "a", 300), written(2, "b", 300, tell=0.0)], swaps=999))
    for trait in TRAITS:
        finding = findings[f"text.compare.correlation.{trait}@a~b"]
        assert finding.verdict == "outside" and finding.low > 0.4 and finding.value > 0.5
        assert finding.low < 1 / np.sqrt(2) < finding.high


def test_the_interval_of_a_difference_of_correlations_covers_it():
    covered = 0
    for seed in range(300):
        draw = rng.child(seed, "mover")
        z = draw.normal(size=(120, 5))
        shared = draw.normal(size=(120, 5))
        a, b = z + shared + 0.5 * draw.normal(size=(120, 5)), 0.5 * z + shared + 0.5 * draw.normal(size=(120, 5))
        made = [
            Measured(name, np.arange(120), (), np.zeros((120, 0)), x, np.clip(stats.norm.cdf(z), 0.001, 0.999))
            for name, x in (("a", a), ("b", b))
        ]
        finding = compare_measured(made, seed=seed, swaps=9).findings[0]
        truth = 1 / np.sqrt(1 + 1 + 0.25) - 0.5 / np.sqrt(0.25 + 1 + 0.25)
        covered += finding.low <= truth <= finding.high
    assert 0.85 <= covered / 300 <= 0.95


def test_sources_are_matched_by_person():
    order = rng.child(3, "order").permutation(60)
    a, b = written(4, "a"), written(4, "b")
    mixed = Measured("b", order, b.names, b.values[order], b.expressed[order], b.drawn[order])
    assert compare_measured([a, mixed], swaps=99) == compare_measured([a, b], swaps=99)
    apart = written(4, "b", people=np.arange(1000, 1060))
    assert compare_measured([a, apart], swaps=99).findings == ()


def test_three_sources_are_three_pairs_corrected_together():
    three = [written(5, name) for name in "abc"]
    findings = compare_measured(three, swaps=999).findings
    assert {finding.id.partition("@")[2] for finding in findings} == {"a~b", "a~c", "b~c"}
    assert len(findings) == 3 * (len(NAMES) + 5)


def corpus(texts):
    people = pl.DataFrame({"person_id": range(20), "age": [30] * 20})
    rows = [
        {"person_id": i, "source": source, "life": text.format(i=i)}
        for source, text in texts.items()
        for i in range(20)
    ]
    return Corpus(profiles=pl.DataFrame(rows), fields=("life",), people=people)


def test_what_is_measured_of_a_profile():
    made = corpus({"x": "She is 31. She is wonderful and has 4 cats. Her life is her life."})
    (row,) = {tuple(row) for row in measure(made, sentiment, Rater()).values[:, :6].tolist()}
    words, variety, kind, claims, contradictions, invented = row
    assert (words, variety) == (13, 8 / 13)  # eight different of thirteen; digits are no words
    assert kind > 0 and (claims, contradictions, invented) == (2, 1, 2)  # age and sex; the age; 31 and 4


def test_texts_on_the_same_people_are_compared():
    evidence = compare_evidence(corpus({"long": "She is 30. She is here, day {i} of many.", "short": "She is 31."}))
    findings = found(evidence)
    assert findings["text.compare.words@long~short"].verdict == "outside"
    wrong = findings["text.compare.contradictions@long~short"]
    assert wrong.value == -1.0 and wrong.verdict == "outside"
    assert findings["text.compare.claims@long~short"].value == pytest.approx(0.0)
    assert not any("correlation" in name for name in findings)  # nobody's traits are known
    assert {detail.source for detail in evidence.details} == {"long~short"}
    assert compare_evidence(corpus({"only": "She is 30."})).findings == ()


@pytest.mark.long
def test_the_grammar_twice_differs_no_more_often_than_stated(cambridge, cambridge_population):
    """Six lives each of 150 citizens; a null pair gives each citizen two of the six."""
    from cityfolk.pocket.grammar import write_profile
    from cityfolk.profiles.cohort import draw_cohort
    from cityfolk.profiles.prompts import citizen_text
    from cityfolk.profiles.records import citizens
    from cityfolk.profiles.schema import ProfileText

    people, homes = cambridge_population.people, cambridge_population.households
    cohort = draw_cohort(people, 150, 0, households=homes)
    made = list(citizens(people, homes, cohort, cambridge.title))
    fields = tuple(ProfileText.model_fields)
    versions = []
    for version in range(6):
        rows = [
            {
                "person_id": citizen.person.person_id,
                "source": "grammar",
                **write_profile(citizen_text(citizen), rng.child(version, "null", citizen.person.person_id)),
            }
            for citizen in made
        ]
        part = Corpus(profiles=pl.DataFrame(rows), fields=fields, people=people)
        versions.append(measure(part, sentiment, Rater()))
    values, expressed = np.stack([v.values for v in versions]), np.stack([v.expressed for v in versions])
    count = 0
    for seed in range(200):
        chosen = rng.child(seed, "pair").permuted(np.tile(np.arange(6), (150, 1)), axis=1)
        pair = [
            Measured(
                name,
                versions[0].person_id,
                versions[0].names,
                values[chosen[:, i], np.arange(150)],
                expressed[chosen[:, i], np.arange(150)],
                versions[0].drawn,
            )
            for i, name in enumerate("ab")
        ]
        findings = compare_measured(pair, seed=seed, swaps=999).findings
        count += any(finding.verdict == "outside" for finding in findings)
    assert stats.binom.sf(count - 1, 200, 0.05) > 0.01, count
