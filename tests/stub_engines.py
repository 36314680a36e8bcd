"""Engines for tests of the command line; copied beside a dist-info and found by entry point (see tests/plugin.py)."""

import json
import re
import time

from cityfolk.types import Reply

_SENTENCE = "This is a plain line about {name} that says nothing which a table could know. "
_LISTS = {"strengths": ["patience", "a good memory", "steady hands"], "weaknesses": ["late nights", "coffee", "haste"]}


def written(request):
    """Return valid text for any of our schemas; long enough for a few hundred replies to fill a small disk."""
    name = re.search(r"Name: (\w+)", request.messages[-1].content).group(1)
    fields = {}
    for field, schema in json.loads(request.schema)["properties"].items():
        if field in _LISTS:
            fields[field] = _LISTS[field]
        elif "job_title" in field:
            fields[field] = "Something else"
        else:
            fields[field] = (_SENTENCE * 8).format(name=name).strip()[: schema.get("maxLength", 600)]
    return json.dumps(fields)


class Stub:
    """Answers each request by itself, a little later; `text` is what it says."""

    name = "plain"
    model = "plain@1"

    def text(self, request):
        return written(request)

    def generate(self, requests):
        for request in requests:
            time.sleep(0.005)
            yield request.key, Reply(text=self.text(request), model=self.model, prompt_tokens=9, completion_tokens=9)


class Dead(Stub):
    """Fails every call."""

    name = "dead"
    model = "dead@1"

    def generate(self, requests):
        for request in requests:
            yield request.key, Reply(text="", model=self.model, finish="error", error="connection refused")


class Mumbling(Stub):
    """Answers nonsense for every citizen whose number ends in 3, whatever the attempt."""

    name = "mumbling"
    model = "mumbling@1"

    def text(self, request):
        number = re.search(r"person (\d+)", request.label).group(1)
        return "Well, you know." if number.endswith("3") else written(request)


class Talker(Stub):
    """Says how many questions it has heard, and what was said before."""

    name = "talker"
    model = "talker@1"

    def text(self, request):
        said = [message.content for message in request.messages[1:]]
        return f"{len(said) // 2 + 1}: {' | '.join(said)}"


class Costly(Stub):
    """Says that each call took 2,000 tokens in and 600 out."""

    name = "costly"
    model = "costly@1"

    def generate(self, requests):
        for request in requests:
            text = self.text(request)
            yield request.key, Reply(text=text, model=self.model, prompt_tokens=2000, completion_tokens=600)


def costly(rest):
    return Costly()


def talker(rest):
    return Talker()


def named(rest):
    """Return an engine whose model is what follows the colon."""
    engine = Stub()
    engine.name, engine.model = "named", rest.removesuffix("?")
    return engine


def plain(rest):
    return Stub()


def dead(rest):
    return Dead()


def mumbling(rest):
    return Mumbling()
