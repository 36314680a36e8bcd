"""Exactly n distinct questions a topic, whatever the engine: it may repeat itself, refuse, or answer in any order."""

import random
from collections import Counter
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.preferences.maker import (
    PATIENCE,
    first_requests,
    make_questions,
    question_id,
    question_sampling,
    totals,
)
from cityfolk.preferences.questions import STAGE
from cityfolk.preferences.records import QUESTIONS, STYLES
from cityfolk.preferences.topics import spread
from cityfolk.study.journal import Journal
from cityfolk.texts.near import ACROSS, THRESHOLD, Distinct, likeness
from cityfolk.types import Reply
from tests.preferences.makers import Knows, Lively, Parrot, Scripted, Shuffled, question

SAMPLING = question_sampling(seed=7)


def make(folder, engine, topics, n, before=None, **options):
    """Make questions in a journal of its own folder, after what `before` made."""
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "calls.sqlite")
    had = {} if before is None else {"before": before.questions, "tallies": before.tallies}
    try:
        return make_questions(journal, engine, topics, n, sampling=SAMPLING, **had, **options)
    finally:
        journal.close()


def check(made, topics, n):
    """Hold what is true of every complete table."""
    table = made.questions
    assert dict(table.schema) == dict(QUESTIONS)
    assert table["question_id"].to_list() == sorted(question_id(t.id, i) for t in topics for i in range(n))
    for topic in topics:
        rows = table.filter(table["topic"] == topic.id)
        assert set(rows["split"]) == {topic.split} and set(rows["domain"]) == {topic.domain}
        assert all(tuple(facets) == topic.facets for facets in rows["facets"])
        shares = Counter(rows["style"])
        assert [shares[style] for style in STYLES] == [n // 5 + (place < n % 5) for place in range(5)]
        # The first few are of all styles alike, as a command that takes only those expects.
        assert set(rows["style"][: min(n, 5)]) == set(STYLES[:n])
    for tally in made.tallies.values():
        copies = (
            tally.exact_within_topics + tally.exact_across_topics + tally.near_within_topics + tally.near_across_topics
        )
        assert tally.asked == tally.kept + copies + sum(tally.rejected.values())


def test_exactly_as_many_as_asked_for(tmp_path):
    topics, engine = spread(4), Lively()
    made = make(tmp_path / "a", engine, topics, 23)
    check(made, topics, 23)
    assert not made.failures
    for (topic, one), (other, two) in combinations(made.questions.select("topic", "text").iter_rows(), 2):
        assert likeness(one, two) < (THRESHOLD if topic == other else ACROSS)
    sums = totals(made.tallies)
    assert sums["requests"] == len(engine.calls) == len({request.key for request in engine.calls})
    assert sums["asked"] == 10 * len(engine.calls)
    assert all(sums[name] > 0 for name in ("exact_within_topics", "exact_across_topics", "near_across_topics"))
    assert set(sums["rejected"]) == {"no question mark", "yes or no", "too short"}
    assert set(made.questions["engine"]) == {"scripted"} and set(made.questions["seed"]) == {7}
    assert set(made.questions["model"]) == {"scripted@1"}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 40))
def test_the_order_in_which_replies_arrive_changes_nothing(tmp_path_factory, seed, batch):
    folder, topics = tmp_path_factory.mktemp("arrival"), spread(3)
    orderly = make(folder / "a", Lively(), topics, 21)
    shuffled = make(folder / "b", Shuffled(seed, batch), topics, 21)
    assert shuffled.questions.equals(orderly.questions) and shuffled.tallies == orderly.tallies


def test_a_parrot_is_found_out(tmp_path):
    topics, engine = spread(3), Parrot()
    made = make(tmp_path, engine, topics, 20)
    assert made.questions.height == 10 and len(made.failures) == 3
    # Five styles of three topics are each asked until three rounds in a row were barren; the one that brought ten is
    # asked again to make up for the others.
    assert made.rounds == 2 * PATIENCE
    assert len(engine.calls) == 15 * PATIENCE + 1
    had = Counter(made.questions["topic"])
    assert [failure.reason for failure in made.failures] == [
        f"{had.get(one.id, 0)} of 20 distinct questions could be had: 3 rounds in a row brought nothing new"
        for one in topics
    ]
    assert [failure.label for failure in made.failures] == [one.id for one in topics]


def test_all_that_an_engine_knows_is_found(tmp_path):
    rng, known = random.Random(1), []
    while len(known) < 37:
        new = question(rng)
        if all(likeness(new, other) < THRESHOLD for other in known):
            known.append(new)
    engine = Knows(known)
    made = make(tmp_path / "a", engine, spread(1), 100)
    assert set(made.questions["text"]) == set(known)
    (failure,) = made.failures
    assert failure.stage == STAGE and failure.reason.startswith("37 of 100 distinct questions could be had")
    enough = make(tmp_path / "b", Knows(known), spread(1), 30)
    assert enough.questions.height == 30 and not enough.failures


class Plainspoken(Lively):
    """Knows nothing in one style."""

    def questions(self, request):
        return (
            Parrot().questions(request) if "Style: moral" in request.messages[1].content else super().questions(request)
        )


def test_a_style_that_runs_dry_is_made_up_for_by_the_others(tmp_path):
    made = make(tmp_path, Plainspoken(), spread(1), 100)
    assert made.questions.height == 100 and not made.failures
    shares = Counter(made.questions["style"])
    assert shares["moral"] <= 10 and all(22 <= shares[style] <= 25 for style in STYLES if style != "moral")


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=3), st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_asking_for_more_appends(tmp_path_factory, numbers, counts):
    folder, before, engine = tmp_path_factory.mktemp("more"), None, Lively()
    for n, count in zip(numbers, counts, strict=False):
        made = make(folder, engine, spread(count), n, before, again=True)
        if before is not None:
            now = {row["question_id"]: row for row in made.questions.iter_rows(named=True)}
            assert all(now[row["question_id"]] == row for row in before.questions.iter_rows(named=True))
        for topic in spread(count):
            assert made.questions.filter(made.questions["topic"] == topic.id).height >= n
        distinct = Distinct()
        rows = made.questions.select("text", "topic").iter_rows()
        assert {distinct.add(text, topic).outcome for text, topic in rows} == {"new"}
        before = made
    assert len(engine.calls) == len({request.key for request in engine.calls})  # nothing is paid twice


def test_what_an_earlier_command_had_to_spare_is_used_first(tmp_path):
    engine, topics = Lively(), spread(2)
    few = make(tmp_path, engine, topics, 10)
    paid = len(engine.calls)
    assert paid == len(list(first_requests(topics, 10, engine.model, SAMPLING))) == 10
    more = make(tmp_path, engine, topics, 25, few, again=True)
    assert len(engine.calls) == paid and more.questions.height == 50
    same = make(tmp_path, engine, topics, 25, more, again=True)
    assert same.questions.equals(more.questions) and same.tallies == more.tallies and same.rounds == 0


class Refusing(Lively):
    """Refuses every request on one topic, and the late ones on all."""

    def __init__(self, phrase, late=10**9):
        super().__init__()
        self.phrase, self.late = phrase, late

    def reply(self, request):
        if f"Topic: {self.phrase}\n" in request.messages[1].content or request.sampling.sample >= self.late:
            return Reply(text="", model=self.model, finish="error", error="against the rules")
        return super().reply(request)


def test_a_topic_that_is_refused_is_listed_and_the_others_are_made(tmp_path):
    topics = spread(3)
    made = make(tmp_path, Refusing(topics[1].phrase), topics, 20)
    (failure,) = made.failures
    assert failure.label == topics[1].id
    assert "0 of 20" in failure.reason and "requests failed, the first: the call failed: against" in failure.reason
    assert Counter(made.questions["topic"]) == {topics[0].id: 20, topics[2].id: 20}
    again = make(tmp_path, Lively(), topics, 20, made, again=True)
    assert not again.failures
    check(again, topics, 20)
    kept = again.questions.filter(again.questions["topic"] != topics[1].id)
    assert kept.equals(made.questions)


def test_late_requests_that_are_refused_leave_what_there_is(tmp_path):
    made = make(tmp_path, Refusing("", late=1), spread(1), 100)
    assert len(made.failures) == 1 and made.questions.height > 30


class Mute(Scripted):
    """Never says anything that is a question."""

    def questions(self, request):
        return ["I would rather not say."]


def test_replies_without_a_question_are_asked_again_and_then_listed(tmp_path):
    engine = Mute()
    made = make(tmp_path, engine, spread(1), 10, attempts=2)
    assert not made.questions.height and dict(made.questions.schema) == dict(QUESTIONS)
    assert "no question is usable (no question mark: 1" in made.failures[0].reason
    assert Counter(Counter(r.key for r in engine.calls).values()) == {2: len(engine.calls) // 2}
