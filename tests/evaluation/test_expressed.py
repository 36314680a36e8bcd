"""The rater reads both poles of every trait, follows a negation, and is not fooled by half words."""

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.errors import DataError
from cityfolk.evaluation.expressed import auc, expressed_findings, written_text
from cityfolk.personality.lexicon import explain, lexicon, rate, rate_many
from cityfolk.vocabulary import TRAITS

HIGH = {
    "openness": "Curious about art and philosophy, she paints, and new ideas keep her awake with wonder.",
    "conscientiousness": "His desk is tidy, his calendar is full, and he finishes every task before the deadline.",
    "extraversion": "She loves parties, chats with strangers, and fills the room with energy.",
    "agreeableness": "Warm and generous, he forgives quickly and always looks after his neighbors.",
    "neuroticism": "He worries at night, gets upset over small things, and second-guesses every word.",
}
LOW = {
    "openness": "He orders the same meal, sticks with what he knows, and has no interest in abstract talk.",
    "conscientiousness": "Her room is a mess, she procrastinates, and she often forgets appointments.",
    "extraversion": "Shy and reserved, he keeps to himself and says little at work.",
    "agreeableness": "She argues, holds grudges, and can be rude and suspicious of others.",
    "neuroticism": "Calm under pressure, she sleeps well and takes setbacks in stride.",
}


@pytest.mark.parametrize("trait", TRAITS)
def test_a_sentence_for_each_pole(trait):
    high, low = rate(HIGH[trait]), rate(LOW[trait])
    assert high.scores[trait] >= 0.6 and low.scores[trait] <= -0.6
    # The trait that is meant is the one that is heard.
    assert max(high.scores, key=lambda t: abs(high.scores[t])) == trait
    assert max(low.scores, key=lambda t: abs(low.scores[t])) == trait


@pytest.mark.parametrize(
    ("text", "trait", "sign"),
    [
        ("She is not very organized.", "conscientiousness", -1),
        ("He never worries.", "neuroticism", -1),
        ("She doesn't trust others.", "agreeableness", -1),
        ("He avoids large parties.", "extraversion", -1),
        ("She rarely feels anxious, and she sleeps well.", "neuroticism", -1),
        ("He is anything but calm.", "neuroticism", 1),
        ("She never fails to help others.", "agreeableness", 1),
        ("He is not only kind but generous.", "agreeableness", 1),
        ("A little anxious at times.", "neuroticism", 1),
        ("She prefers museums rather than routine.", "openness", 1),
        ("He finds it hard to relax.", "neuroticism", 1),
        ("Not tired, but curious.", "openness", 1),
    ],
)
def test_negation(text, trait, sign):
    assert np.sign(rate(text).scores[trait]) == sign, explain(text)


def test_words_are_whole_and_idioms_are_no_markers():
    assert rate("She parked the artificial article.").high["openness"] == 0
    assert rate("The kind of shop that sells all kinds of screws.").scores["agreeableness"] == 0
    assert explain("She is kind.")[0].trait == "agreeableness"


def test_the_longest_entry_counts_once():
    assert [match.words for match in explain("He keeps to himself.")] == ["keeps to himself"]


@given(st.text(max_size=300))
def test_any_text_has_scores_in_range(text):
    rating = rate(text)
    assert all(-1 < score < 1 for score in rating.scores.values())


def test_every_entry_speaks_for_its_pole_and_for_no_other():
    for trait, poles in lexicon().items():
        for pole, entries in poles.items():
            for entry in entries:
                rating = rate(" ".join("some" if word == "*" else word.rstrip("*") for word in entry.split()))
                mine, other = (rating.high, rating.low) if pole == "high" else (rating.low, rating.high)
                assert mine[trait] >= 1 and other[trait] == 0, entry


def test_enough_words_at_each_pole():
    assert all(len(set(entries)) >= 120 for poles in lexicon().values() for entries in poles.values())


def test_rate_many_is_rate():
    texts = [HIGH["openness"], "", LOW["agreeableness"]]
    assert rate_many(texts).tolist() == [[rate(text).scores[trait] for trait in TRAITS] for text in texts]
    assert rate_many([]).shape == (0, 5)


def test_auc_by_hand():
    assert auc([1, 2], [3, 4]) == 1.0
    assert auc([3, 4], [1, 2]) == 0.0
    # Pairs: (1,1) tie, (1,3) right, (2,1) wrong, (2,3) right: 2.5 of 4.
    assert auc([1, 2], [1, 3]) == 0.625
    with pytest.raises(DataError, match="both groups"):
        auc([], [1])


@given(st.lists(st.integers(-3, 3), min_size=1), st.lists(st.integers(-3, 3), min_size=1))
def test_auc_is_symmetric(low, high):
    assert auc(low, high) == pytest.approx(1 - auc(high, low))


def _study(n=60):
    people = pl.DataFrame({"person_id": range(n), **{trait: [0.1, 0.9] * (n // 2) for trait in TRAITS}})
    texts = {trait: [LOW[trait], HIGH[trait]] * (n // 2) for trait in TRAITS}
    profiles = pl.DataFrame({"person_id": range(n), "engine": ["pocket"] * n, **texts})
    return profiles.rename({trait: f"about_{trait}" for trait in TRAITS}), people


def test_findings_tell_writing_that_shows_traits_from_writing_that_does_not():
    profiles, people = _study()
    good = {finding.id: finding for finding in expressed_findings(profiles, people)}
    assert len(good) == 15
    assert all(good[f"text.expressed.auc.{trait}"].value == 1.0 for trait in TRAITS)
    assert all(good[f"text.expressed.auc.{trait}"].verdict == "inside" for trait in TRAITS)
    silent = pl.DataFrame({"person_id": range(60), "text": ["Lives here."] * 60})
    bad = {finding.id: finding for finding in expressed_findings(silent, people)}
    assert all(bad[f"text.expressed.auc.{trait}"].value == 0.5 for trait in TRAITS)
    assert all(bad[f"text.expressed.auc.{trait}"].verdict == "outside" for trait in TRAITS)
    assert bad["text.expressed.spearman.openness"].value is None


def test_copying_the_prompt_into_the_description_is_told_apart():
    profiles, people = _study()
    copied = profiles.select(
        "person_id",
        family=pl.lit("Lives here."),
        personality_description=pl.concat_str([f"about_{trait}" for trait in TRAITS], separator="\n"),
        reflection_core_traits=pl.col("about_openness"),
    )
    found = {finding.id: finding for finding in expressed_findings(copied, people)}
    for trait in TRAITS:
        assert found[f"text.expressed.auc.{trait}"].value == 1.0
        elsewhere = found[f"text.expressed.auc_elsewhere.{trait}"]
        assert elsewhere.value == 0.5 and "without the description" in elsewhere.title
        assert elsewhere.expected is None and elsewhere.verdict == "none"
    shown = profiles.rename({"about_openness": "leisure_habits"})
    found = {finding.id: finding for finding in expressed_findings(shown, people)}
    assert found["text.expressed.auc_elsewhere.openness"].value == 1.0


def test_few_profiles_give_no_number():
    profiles, people = _study(4)
    assert all(finding.value is None for finding in expressed_findings(profiles, people))


def test_the_text_is_what_was_written():
    profiles = pl.DataFrame({"person_id": [1], "engine": ["x"], "leisure": ["Reads."], "strengths": [["kind", "calm"]]})
    assert written_text(profiles) == ["Reads.\nkind, calm"]


def test_engines_are_rated_apart():
    profiles, people = _study(120)
    blank = profiles.with_columns(cs.string().exclude("engine").map_batches(lambda _: pl.Series(["A life."] * 120)))
    both = pl.concat([profiles.with_columns(engine=pl.lit("a")), blank.with_columns(engine=pl.lit("b"))])
    found = {finding.id: finding for finding in expressed_findings(both, people)}
    assert found["text.expressed.auc.openness@a"].value == 1.0
    assert found["text.expressed.auc.openness@b"].value == 0.5
    assert found["text.expressed.auc.openness@b"].title.endswith("(b)")
