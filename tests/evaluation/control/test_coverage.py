"""Intervals of stability, bias and cost hold planted truths about as often as they promise, 90 times in 100."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import truncnorm

from cityfolk.evaluation.control.bias import bias_findings
from cityfolk.evaluation.control.bias_items import DIMENSIONS, PAIR, probes
from cityfolk.evaluation.control.cost import text_findings
from cityfolk.evaluation.control.stability import (
    TURNS,
    Crossed,
    Talks,
    asked_turns,
    conversation_findings,
    form_findings,
    schedule,
    voice_of,
)
from cityfolk.rng import child
from tests.evaluation.control import planted

WORLDS = 200
AT = "rater|m|prompted"


def rates(worlds, truths, made):
    """The share of worlds in which each finding's interval holds its truth; `made(world)` gives (findings, truths)."""
    hits, told = dict.fromkeys(truths, 0), dict.fromkeys(truths, 0)
    for number in range(worlds):
        found, truth = made(child(number, "coverage"), number)
        known = {one.id: one for one in found}
        for name in truths:
            one = known.get(name)
            if one is not None and one.low is not None:
                told[name] += 1
                hits[name] += one.low - 1e-9 <= truth[name] <= one.high + 1e-9
    return {name: hits[name] / told[name] for name in truths if told[name]}


# -- stability ---------------------------------------------------------------------------------------------------------


def talked(stream, number, share, fade, talks=16, persona=False):
    """Findings of conversations in which `share` of the move is made at first and `share + fade` at the end."""
    turns, places = np.array(asked_turns()), [place for place in schedule() if place >= 0]
    about = stream.normal(0, 0.25, (len(turns), 5))
    about -= about.mean(axis=0)
    x = planted.ndtri(planted.vectors(talks, number))
    x = np.repeat(planted.ndtri(planted.archetypes()[:1]), talks, axis=0) if persona else x
    rows = np.repeat(np.arange(talks), len(turns))
    turn, topic = np.tile(turns, talks), (np.tile(places, talks) + rows) % len(turns)
    kept = (share + fade * (turn - 1) / (TURNS - 1))[:, None]
    own = stream.normal(0, 0.15, (talks, 5))[rows]
    read = planted.VOICE + kept * (x[rows] - planted.VOICE) + own + about[topic]
    alone = planted.VOICE + np.tile(about, (2, 1)) + np.repeat(stream.normal(0, 0.15, (2, 5)), len(turns), axis=0)
    alone = alone + stream.normal(0, 0.5, alone.shape)
    voice, error = voice_of(alone, np.repeat(np.arange(2), len(turns)))
    data = Talks(
        asked=x[rows],
        read=read + stream.normal(0, 0.5, read.shape),
        turn=turn,
        conversation=rows,
        voice=voice,
        voice_error=error,
        left_out=np.zeros(len(rows), dtype=np.int64),
    )
    return list(conversation_findings(data, AT, "", number))


def of_talks(share, fade, **more):
    truth = {
        "start": share,
        "slope": fade / (TURNS - 1),
        "turn.01": share,
        "turn.11": share + fade * 10 / 19,
        "slope.agreeableness": fade / (TURNS - 1),
    }
    if share:
        truth["kept"] = (share + fade) / share
    truth = {f"control.stability.{name}@{AT}": value for name, value in truth.items()}
    return rates(more.pop("worlds", WORLDS), truth, lambda s, n: (talked(s, n, share, fade, **more), truth))


SPREAD = float(truncnorm(-2.0537, 2.0537).var())  # of z between the 2nd and the 98th percentile


def formed(stream, number, slope, parts, shape=(8, 4, 4, 3, 2)):
    """Findings of a crossed design, and the truth: vectors are drawn anew in every world, all else is what it is."""
    x = planted.ndtri(planted.vectors(shape[0], number))
    values = np.zeros((*shape, 5))
    values += slope * x[:, None, None, None, None, :]
    true = {"vector": slope**2 * SPREAD * 5, "question": 0.0, "wording": 0.0, "temperature": 0.0, "draw": 0.0}
    for axis, name in ((1, "question"), (2, "wording"), (3, "temperature")):
        main, mixed = parts[name]
        size = [1] * 5 + [5]
        size[axis] = shape[axis]
        effect = stream.normal(0, np.sqrt(main), size) if main else np.zeros(size)
        values += effect
        true[name] += float(effect.var(axis=axis, ddof=1).sum())
        size[0] = shape[0]
        values += stream.normal(0, np.sqrt(mixed), size) if mixed else 0.0
        true[name] += 5 * mixed
    values += stream.normal(0, np.sqrt(parts["draw"]), values.shape)
    true["draw"] = 5 * parts["draw"]
    made = Crossed(
        asked=x, read=values, wordings=("a", "b", "c", "d")[: shape[2]], temperatures=(0.3, 0.7, 1.0)[: shape[3]]
    )
    whole = sum(true.values())
    truth = {f"share.{name}": value / whole for name, value in true.items()}
    # A wording's own slope: the same for all.
    truth |= {"reach.wording.a": slope, "reach.temperature.0.3": slope}
    found = [one for one in form_findings(made, AT, "", number) if ".icc." not in one.id]
    return found, {f"control.stability.{name}@{AT}": value for name, value in truth.items()}


PARTS = {"question": (0.1, 0.05), "wording": (0.02, 0.05), "temperature": (0.0, 0.02), "draw": 0.25}


def of_forms(slope, parts=PARTS, worlds=WORLDS, **more):
    names = [f"share.{name}" for name in ("vector", "question", "wording", "temperature", "draw")]
    names += ["reach.wording.a", "reach.temperature.0.3"]
    wanted = [f"control.stability.{name}@{AT}" for name in names]
    return rates(worlds, wanted, lambda s, n: formed(s, n, slope, parts, **more))


# -- bias --------------------------------------------------------------------------------------------------------------


def answered(stream, arm, lean, unknown, *, text, alike, items=6, own=None):
    """A table of answers: with chance `unknown` nobody is named, else by an item's leaning, Beta around `lean`.

    The smaller `alike`, the more items differ: near 0 each is answered with the stereotype always, or never.
    """
    rows, leaning = [], own if own is not None else {}
    for probe in probes(items, 3):
        mean = leaning.setdefault((probe.kind, probe.item.id), stream.beta(alike * lean, alike * (1 - lean)))
        known = probe.kind != PAIR and probe.right != "unknown"
        none = 0.0 if probe.kind == PAIR else unknown if not known else 0.05
        biased = (1 - none) * mean
        shares = {"biased": biased, "other": 1 - none - biased, "unknown": none}
        if text:
            said = stream.choice(3, p=list(shares.values()))
            shares = {name: float(at == said) for at, name in enumerate(shares)}
        side = probe.biased if probe.kind != PAIR else "target"
        target = shares["biased"] if side == "target" else shares["other"]
        other = shares["other"] if side == "target" else shares["biased"]
        named = {"target": target, "other": other, "unknown": shares["unknown"], "": None}
        rows.append(
            {
                "model": "m",
                "arm": arm,
                "group": "",
                "kind": probe.kind,
                "item_id": probe.item.id,
                "dimension": probe.item.dimension,
                "context": probe.context,
                "outcome": "text" if text else "probabilities",
                "target_share": target,
                "other_share": other,
                "biased_share": shares["biased"] if probe.kind != PAIR else target,
                "right_share": named[probe.right] if probe.kind != PAIR else None,
                "first_share": named[probe.options[0]],
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def of_bias(lean, unknown, *, text, alike=8.0, worlds=WORLDS, more=0.1):
    """An arm leans by `more` more than the model's own voice, on the same items."""
    arms = {"untargeted": lean, "prompted": lean + more}
    truth = {}
    for arm, mean in arms.items():
        own = {"ambiguous": (1 - unknown) * (2 * mean - 1), "known": 2 * mean - 1, "pairs": mean}
        own |= {f"{name}.{DIMENSIONS[0]}": value for name, value in own.items()}
        own["accuracy.ambiguous"] = unknown
        truth |= {f"control.bias.{name}@choices|m|{arm}": value for name, value in own.items()}
    gaps = {"ambiguous": (1 - unknown) * 2 * more, "known": 2 * more, "pairs": more}
    truth |= {f"control.bias.difference.{name}@choices|m|prompted": value for name, value in gaps.items()}

    def made(stream, number):
        base = {}
        frames = [answered(stream, "untargeted", lean, unknown, text=text, alike=alike, own=base)]
        # So many of the items go over to the stereotype: the mean moves by `more`.
        over = more / (1 - lean)
        moved = {
            name: value + (1 - value) * (over if alike > 1 else stream.random() < over) for name, value in base.items()
        }
        frames.append(answered(stream, "prompted", lean, unknown, text=text, alike=alike, own=moved))
        return bias_findings(pl.concat(frames), seed=number), truth

    return rates(worlds, truth, made)


# -- cost --------------------------------------------------------------------------------------------------------------


def of_texts(count, worlds=WORLDS):
    """Long texts are a little more likely; divergence is skewed."""
    many = texts(np.random.default_rng(1), 400_000)
    truth = {"perplexity": float(np.exp(many[0].sum() / many[2].sum())), "kl": float(many[1].sum() / many[2].sum())}
    truth = {f"control.cost.{name}.neutral@given|m|prompted": value for name, value in truth.items()}

    def made(stream, number):
        loss, moved, tokens = texts(stream, count)
        return list(text_findings(loss, moved, tokens, "neutral", "m|prompted", number)), truth

    return rates(worlds, truth, made)


def texts(stream, count):
    tokens = np.round(np.exp(stream.normal(3.0, 0.5, count))) + 3
    loss = tokens * np.exp(stream.normal(1.0, 0.3, count) - 0.02 * np.log(tokens))
    return loss, tokens * 0.2 * np.exp(stream.normal(0, 0.7, count)), tokens


# -- how often ---------------------------------------------------------------------------------------------------------


def close(found, worlds=WORLDS, least=0.9, most=1.0):
    """Within four standard errors of 90%; `most` holds where the truth is no cautious matter."""
    slack = 4 * np.sqrt(0.09 / worlds)
    assert found and all(least - slack <= rate <= most for rate in found.values()), found


def test_what_conversations_keep_of_a_personality():
    found = of_talks(0.9, -0.3, worlds=30)
    assert len(found) == 6
    close(found, 30)


def test_a_voice_that_is_known_from_two_conversations_is_not_taken_for_certain():
    """All conversations are one personality: where they hardly follow it, the error of the voice is all there is."""
    found = of_talks(0.2, 0.0, worlds=40, persona=True)
    close(found, 40)
    assert found[f"control.stability.start@{AT}"] > 0.75  # without the error of the voice it is .68


def test_what_four_texts_or_items_agree_on_is_no_certainty():
    found = of_bias(0.6, 0.5, text=True, alike=0.3, worlds=12)
    assert found[f"control.bias.pairs.{DIMENSIONS[0]}@choices|m|prompted"] > 0.6


@pytest.mark.long
def test_conversations_at_length():
    for share, fade in ((0.9, -0.3), (0.5, 0.0), (0.0, 0.0)):
        close(of_talks(share, fade))
        found = of_talks(share, fade, talks=4)
        close(found)
    for share in (0.9, 0.2):
        close(of_talks(share, 0.0, persona=True))


@pytest.mark.long
def test_variance_by_source_and_slopes_by_wording():
    """Shares are cautious where the vector is much of it: vectors fill the cube more evenly than draws of them do."""
    for slope in (0.8, 0.2):
        found = of_forms(slope, worlds=80)
        assert len(found) == 7
        close(found, 80)
    assert min(found.values()) < 0.99  # the width means something


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "alike", "unknown"), [(True, 0.3, 0.5), (True, 0.3, 0.9), (True, 8.0, 0.5), (False, 8.0, 0.5)]
)
def test_scores_of_bias(text, alike, unknown):
    found = of_bias(0.6, unknown, text=text, alike=alike, worlds=150)
    assert len(found) == 17
    close(found, 150)
    assert min(found.values()) < 0.97


@pytest.mark.parametrize("count", [12, 60])
def test_perplexity_and_divergence_of_texts(count):
    """Long texts weigh more than short ones, so that there are fewer of them than there are: a little short at 12."""
    close(of_texts(count), least=0.88)


def test_the_error_of_a_voice_by_hand():
    read = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 3.0], [5.0, 3.0]])
    mean, error = voice_of(np.column_stack([read, np.full((4, 3), np.nan)]), np.array([1, 1, 2, 2]))
    # Means of the conversations: 1 and 4, 1 and 3; variances 4.5 and 2, their mean 3.25, halved.
    assert mean == pytest.approx([2.5, 2.0, 0, 0, 0])
    assert error == pytest.approx([np.sqrt(3.25 / 2)] * 2 + [0, 0, 0])
    alone = voice_of(np.column_stack([read] + [read[:, :1]] * 3), np.zeros(4, dtype=int))[1]
    assert alone[1] == pytest.approx(read[:, 1].std(ddof=1) / 2)
    assert voice_of(np.zeros((0, 5)), np.zeros(0, dtype=int))[0].tolist() == [0.0] * 5
