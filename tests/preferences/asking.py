"""Questions made for tests, a study that holds them, and engines that answer them."""

import polars as pl

from cityfolk.preferences.records import QUESTIONS
from cityfolk.study.folder import Study
from cityfolk.types import Reply

TOPICS = ("a-late-train", "borrowed-tools", "cold-soup", "dancing")


def questions(topics=TOPICS, n=3, held_out=1):
    """A table of n questions a topic; the last topics are held out."""
    rows = [
        {
            "question_id": f"{topic}-{i:03d}",
            "topic": topic,
            "domain": "leisure",
            "facets": ["trust"],
            "style": "reflection",
            "text": f"What goes through your mind when {topic.replace('-', ' ')} comes up for the {i}th time?",
            "split": "held-out" if k >= len(topics) - held_out else "train",
            "seed": 0,
        }
        for k, topic in enumerate(topics)
        for i in range(n)
    ]
    return pl.DataFrame(rows, schema=QUESTIONS).sort("question_id")


def study_of(folder, table=None, seed=5):
    """Make a study that has questions and nothing else; return its folder."""
    with Study.open(folder, create=True) as study:
        study.begin("questions", {"seed": seed})
        study.write("questions", questions() if table is None else table)
        study.finish("questions")
    return folder


class Voice:
    """Says its own name, the question and the sample; `spoil(request)` may put another reply in its place."""

    name = "voice"

    def __init__(self, model="voice@1", spoil=lambda request: None, in_flight=4):
        self.model, self.spoil, self.in_flight = model, spoil, in_flight
        self.asked = []

    def generate(self, requests):
        batch = []
        for request in requests:
            self.asked.append(request)
            batch.append(request)
            if len(batch) == self.in_flight:
                yield from self._answer(batch)
                batch = []
        yield from self._answer(batch)

    def _answer(self, batch):
        for request in reversed(batch):  # nobody may rely on the order
            yield request.key, self.spoil(request) or self.reply(self.said(request))

    def said(self, request):
        words = request.messages[-1].content.replace("\n", " / ")
        return f"I am {self.model}, sample {request.sampling.sample}, and I heard: {words}"

    def reply(self, text, **facts):
        return Reply(text=text, model=self.model, **({"prompt_tokens": 80, "completion_tokens": 40} | facts))
