"""A chat server without a model: answers after a fixed delay, misbehaves on request, and counts.

    python tests/stub_server.py --port 0 --delay 0.05 p500=.05 p429=.05

It speaks POST .../chat/completions and GET .../models. A reply to a request with a JSON schema is an instance of it
that carries a mark of the last message (`mark_of`), so that a test can tell whose reply it is. It prints one line,
{"port": ...}, when it listens.

    GET  /stats      counters. `good`: replies sent whole and valid to somebody who was still there; `distinct`: bodies
                     answered well; `redundant`: good replies to a body that had one already; `aborted`: the caller
                     hung up before the answer.
    GET  /last       the last body that was sent
    POST /reset?...  zero the counters; every setting of SETTINGS may be given
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import sys
import time
from urllib.parse import parse_qsl, urlsplit

FAULTS = ("p500", "p429", "pcut", "pempty", "perror200", "phang", "pdrop")
SETTINGS = {
    **dict.fromkeys(FAULTS, 0.0),
    "delay": 0.05,
    "jitter": 0.0,  # seconds, at most, by which a delay is longer or shorter
    "retry_after": 1.0,
    "seed": 0,
    "slots": 0,  # calls at once beyond which the answer is 429; 0: no limit
    "serves": 0,  # calls worked on at once, the others wait their turn; 0: all
    "fail_after": -1,  # good replies after which every call fails with a 500; -1: never
    "schema": "json_schema",  # json_schema | json_object | ignore | refuse | refuse500 | none
    "logprobs": 1,
    "key": "",  # the API key that is asked for
    "model": "",  # the one model that is known; "": any
    "think": "",  # "" | block | field
    "context": 0,  # tokens, as Ollama tells at /api/ps; 0: it does not tell
    "tokens": 1000,  # of every prompt
}
SENTENCE = "Line {mark}: keeps a small garden, walks to work along the river and calls an old friend on Sundays. "
# How the schema is put into a prompt: by cityfolk, and by a package that the benchmarks compare with it.
IN_PROMPT = re.compile(r"(?:must match this JSON schema:|<response_schema>)\n")


def text_of(message):
    """Return the text of a message, whose content may come in parts."""
    content = message.get("content")
    return "".join(part.get("text", "") for part in content) if isinstance(content, list) else str(content)


def mark_of(text):
    """Return the mark that a reply to a last message carries."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def instance(schema, root):
    """Return the plainest value that a schema allows; strings carry {mark}."""
    if "$ref" in schema:
        node = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        return instance(node, root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][0], root)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        return {name: instance(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), root) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    if kind in ("boolean", "null"):
        return False if kind == "boolean" else None
    most, least = schema.get("maxLength", 120), schema.get("minLength", 0)
    # The mark is eight characters where its placeholder is six.
    text = (SENTENCE * 8)[: max(least, min(120, most)) - 2]
    return text.strip()


class Stub:
    """Settings, counters and the answer to one request."""

    def __init__(self, settings):
        self.settings = dict(settings)
        self.templates = {}
        self.reset({})

    def reset(self, changes):
        for name, value in changes.items():
            self.settings[name] = type(SETTINGS[name])(float(value) if type(SETTINGS[name]) is int else value)
        self.random, self.late = random.Random(self.settings["seed"]), random.Random(self.settings["seed"])
        self.counts = dict.fromkeys(
            ("requests", "good", "aborted", "in_flight", "max_inflight", "with_schema", "prompt_chars"), 0
        )
        self.counts |= dict.fromkeys(FAULTS, 0) | {"over": 0, "unauthorized": 0, "shared_prefix_chars": 0}
        self.answered = {}
        self.previous, self.body = "", {}
        self.first = self.last = None
        self.waiting = []
        self.working = 0

    def stats(self):
        distinct = len(self.answered)
        seconds = (self.last or 0) - (self.first or 0)
        redundant = sum(self.answered.values()) - distinct
        return {**self.counts, "distinct": distinct, "redundant": redundant, "seconds": seconds}

    def fault(self):
        drawn = self.random.random()
        for name in FAULTS:
            if drawn < self.settings[name]:
                return name
            drawn -= self.settings[name]
        after = self.settings["fail_after"]
        return "p500" if 0 <= after <= self.counts["good"] else ""

    def shared(self, messages):
        """Count the characters that a prompt shares with the one before it, from the first."""
        prompt = "".join(text_of(message) for message in messages)
        counts, before, n = self.counts, self.previous, min(len(prompt), len(self.previous))
        low, high = 0, n
        while low < high:  # the longest common prefix, by halving
            middle = (low + high + 1) // 2
            low, high = (middle, high) if prompt[:middle] == before[:middle] else (low, middle - 1)
        counts["prompt_chars"] += len(prompt)
        counts["shared_prefix_chars"] += low
        self.previous = prompt

    def content(self, body):
        """Return the text of a good reply, or an HTTP refusal of the way in which JSON was asked for."""
        if not body["messages"]:
            return 400, "messages: [] is too short"
        last = text_of(body["messages"][-1])
        mark = mark_of(last)
        form = body.get("response_format") or {}
        kind, can = form.get("type"), self.settings["schema"]
        schema = None
        if kind == "json_schema":
            if can in ("refuse", "json_object", "none"):
                return 400, "response_format json_schema is not supported"
            if can == "refuse500":
                return 500, "json_schema: internal error"
            schema = form["json_schema"]["schema"] if can == "json_schema" else None
        elif kind == "json_object":
            if can in ("none", "refuse", "refuse500"):
                return 400, "response_format json_object is not supported"
            schema = form.get("schema") if can in ("json_object", "json_schema") else None
        if kind:
            self.counts["with_schema"] += 1
        if schema is None:  # a model that reads: the schema may stand in the prompt
            for message in body["messages"]:
                found = IN_PROMPT.search(text_of(message))
                if found:
                    schema = json.JSONDecoder().raw_decode(found.string, found.end())[0]
        if schema is None:
            return 200, f"I would take the river path, {mark}, because it is quiet and I can think there."
        key = json.dumps(schema, sort_keys=True)
        if key not in self.templates:
            self.templates[key] = json.dumps(instance(schema, schema))
        return 200, self.templates[key].replace("{mark}", mark)

    def completion(self, text, body, *, finish="stop"):
        message = {"role": "assistant", "content": text}
        if self.settings["think"] == "block":
            message["content"] = f"<think>\nLet me see.\n</think>\n\n{text}"
        elif self.settings["think"] == "field":
            message["reasoning_content"] = "Let me see."
        choice = {"index": 0, "finish_reason": finish, "message": message}
        if body.get("logprobs") and self.settings["logprobs"]:
            message["content"] = "B"
            tops = [("B", -0.5), (" A", -1.5), ("The", -3.0), ("C", -3.5), ("b", -4.0)]
            tops = [{"token": token, "logprob": value} for token, value in tops[: body["top_logprobs"]]]
            choice["logprobs"] = {"content": [{**tops[0], "top_logprobs": tops}]}
            choice["finish_reason"] = "length"
        tokens = self.settings["tokens"]
        usage = {"prompt_tokens": tokens, "completion_tokens": 300, "total_tokens": tokens + 300}
        head = {"id": "chatcmpl-stub", "object": "chat.completion", "created": 1, "model": "stub"}
        return json.dumps({**head, "choices": [choice], "usage": usage}).encode()

    async def chat(self, raw, headers, connection):
        """Return (status, body, more headers), or None for a connection that is dropped."""
        key = self.settings["key"]
        if key and headers.get("authorization") != f"Bearer {key}":
            self.counts["unauthorized"] += 1
            given = headers.get("authorization", "no key")
            return 401, json.dumps({"error": {"message": f"Incorrect API key provided: {given}"}}).encode(), ""
        body = self.body = json.loads(raw)
        if self.settings["model"] not in ("", body["model"]):
            return 404, json.dumps({"error": {"message": f"model {body['model']!r} not found"}}).encode(), ""
        counts = self.counts
        counts["requests"] += 1
        counts["in_flight"] += 1
        counts["max_inflight"] = max(counts["max_inflight"], counts["in_flight"])
        self.first = self.first or time.monotonic()
        self.shared(body["messages"])
        fault = self.fault()
        over = 0 < self.settings["slots"] < counts["in_flight"]
        try:
            if fault == "phang":
                counts["phang"] += 1
                await connection.gone
            elif not over:
                await self.work()
        finally:
            counts["in_flight"] -= 1
            self.last = time.monotonic()
        if connection.gone.done():
            counts["aborted"] += fault != "phang"
            return None
        if over:
            counts["over"] += 1
            return 429, b'{"error": {"message": "too many at once"}}', self.retry_after()
        if fault:
            counts[fault] += 1
        return self.said(fault, body, raw)

    def said(self, fault, body, raw):
        """Return what is answered in the end."""
        if fault == "p500":
            return 500, b'{"error": {"message": "stub: internal error"}}', ""
        if fault == "p429":
            return 429, b'{"error": {"message": "stub: slow down"}}', self.retry_after()
        if fault == "perror200":
            return 200, b'{"error": {"message": "stub: an error inside a 200"}}', ""
        if fault == "pdrop":
            return None
        status, text = self.content(body)
        if status != 200:
            return status, json.dumps({"error": {"message": text}}).encode(), ""
        if fault == "pcut":
            return 200, self.completion(text[: len(text) // 2], body), ""
        if fault == "pempty":
            return 200, self.completion("", body), ""
        self.counts["good"] += 1
        digest = hashlib.sha256(raw).digest()
        self.answered[digest] = self.answered.get(digest, 0) + 1
        return 200, self.completion(text, body), ""

    async def work(self):
        """Take as long as a model would; with `serves`, the calls beyond it wait their turn."""
        if self.settings["serves"]:
            while self.working >= self.settings["serves"]:
                turn = asyncio.get_running_loop().create_future()
                self.waiting.append(turn)
                await turn
            self.working += 1
        if self.settings["delay"]:
            await asyncio.sleep(self.settings["delay"] + self.settings["jitter"] * (2 * self.late.random() - 1))
        if self.settings["serves"]:
            self.working -= 1
            if self.waiting:
                self.waiting.pop(0).set_result(None)

    def retry_after(self):
        return f"retry-after: {self.settings['retry_after']:g}\r\n"


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive: one request after another."""

    def __init__(self, stub):
        self.stub, self.data = stub, b""

    def connection_made(self, transport):
        self.transport = transport
        self.gone = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc):
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data):
        self.data += data
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) >= length:
            self.data = rest[length:]
            path = lines[0].split(" ")[1]
            task = asyncio.get_running_loop().create_task(self.answer(path, headers, rest[:length]))
            task.add_done_callback(lambda done: done.exception() and self.transport.abort())

    async def answer(self, path, headers, raw):
        url = urlsplit(path)
        if url.path == "/stats":
            answer = 200, json.dumps(self.stub.stats()).encode(), ""
        elif url.path == "/api/ps":
            running = {"name": self.stub.body.get("model"), "context_length": self.stub.settings["context"]}
            answer = 200, json.dumps({"models": [running]}).encode(), ""
        elif url.path == "/last":
            answer = 200, json.dumps(self.stub.body).encode(), ""
        elif url.path == "/reset":
            self.stub.reset(dict(parse_qsl(url.query, keep_blank_values=True)))
            answer = 200, json.dumps(self.stub.settings).encode(), ""
        elif url.path.endswith("/models"):
            models = [{"id": "stub", "object": "model", "created": 1, "owned_by": "stub"}]
            answer = 200, json.dumps({"object": "list", "data": models}).encode(), ""
        elif url.path.endswith("/chat/completions"):
            answer = await self.stub.chat(raw, headers, self)
        else:
            answer = 404, b'{"error": {"message": "no such path"}}', ""
        if answer is None:
            self.transport.abort()
            return
        status, body, more = answer
        head = f"HTTP/1.1 {status} Stub\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        self.transport.write(head.encode() + body)


async def main(port, settings):
    stub = Stub(settings)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=4096)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--port", type=int, default=0)
    cli.add_argument("--delay", type=float, default=SETTINGS["delay"])
    cli.add_argument("settings", nargs="*", help="NAME=VALUE, of " + ", ".join(SETTINGS))
    args = cli.parse_args()
    given = dict(setting.split("=", 1) for setting in args.settings)
    settings = SETTINGS | {"delay": args.delay}
    settings |= {name: type(SETTINGS[name])(value) for name, value in given.items()}
    try:
        import uvloop as loops
    except ImportError:
        loops = asyncio
    try:
        loops.run(main(args.port, settings))
    except KeyboardInterrupt:
        sys.exit(0)
