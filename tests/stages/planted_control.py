"""Engines whose control is planted in free text and in a questionnaire alike: a model, and adapters of it."""

import math
import re

import numpy as np
from scipy.special import ndtr, ndtri

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.pocket.answering import write_answer
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages import answers, questionnaire
from cityfolk.types import Reply
from cityfolk.vocabulary import TRAITS
from tests.evaluation.control.planted import VOICE, half
from tests.preferences.asking import Voice
from tests.stages.test_questionnaire import ITEMS, STATEMENT

RANK = re.compile(r", (\d+)(?:st|nd|rd|th) of 100 adults")


class Planted(Voice):
    """Writes by the grammar, and ticks items, as the z that `said` makes of what the prompt asks for.

    Without a request it is `own`. `breaks(request)` may raise.
    """

    name = "planted"

    def __init__(self, said, *, adapter="", own=VOICE, breaks=lambda request: None):
        super().__init__(model="planted@1" + (f"+{adapter}@2" if adapter else ""), in_flight=32)
        self.said_of, self.own, self.adapter, self.breaks = said, own, adapter, breaks

    def z(self, text):
        ranks = [int(rank) / 100 for rank in RANK.findall(text)]
        return np.clip(self.said_of(ndtri([ranks]))[0] if ranks else self.own, -2.5, 2.5)

    def _answer(self, batch):
        for request in reversed(batch):
            self.breaks(request)
            text = request.messages[-1].content
            yield request.key, self.ticked(text) if request.choices else self.reply(self.written(text, request.key))

    def written(self, text, key):
        topic = next(one for one in topics() if one.phrase in text)
        return write_answer(topic.phrase, topic.facets, self.z(text), child(0, "planted", key))

    def ticked(self, text):
        item = ITEMS[next(filter(None, STATEMENT.search(text).groups()))]
        share = float(pomp_from_percentile(item.trait, float(ndtr(self.z(text)[TRAITS.index(item.trait)]))))
        share = min(max(share if item.keyed > 0 else 1 - share, 1e-6), 1 - 1e-6)
        share = (
            share
            if any(f"1 {words}" in text for words in ("(not at all)", "= very inacc", "= strongly dis"))
            else 1 - share
        )
        chances = [math.comb(4, k) * share**k * (1 - share) ** (4 - k) for k in range(5)]
        return Reply(text="3", model=self.model, logprobs=tuple(math.log(chance) for chance in chances))


def family(folder):
    """A model that goes half the way when it is told, an adapter that goes all of it, and one that is an Analyst.

    Returns {name of engine: engine}; adapters lie under `folder`.
    """
    analyst = np.array([value for _, value in ARCHETYPES["Analyst"].items()])
    return {
        "planted": Planted(half),
        f"planted+{folder}/vectors-dpo": Planted(lambda x: x, adapter="vectors-dpo"),
        f"planted+{folder}/analyst": Planted(half, adapter="analyst", own=ndtri(analyst)),
    }


def known(monkeypatch, engines):
    """Have these engines, by name, answer in place of any others."""
    for room in (answers, questionnaire):
        monkeypatch.setattr(
            room, "load_engines", lambda specs, limits=None: [engines[one] for one in dict.fromkeys(specs)]
        )
