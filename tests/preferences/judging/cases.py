"""A small study of preference data, and a chat server that reads personality where the tests have put it.

An answer's text carries its five levels as "o6 c2 e5 a5 n9", so that a server can judge it without a model.
"""

import json
import math
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import polars as pl

from cityfolk import rng
from cityfolk.preferences.records import ANSWERS, QUESTIONS, TARGET_COLUMNS
from cityfolk.study.folder import Study
from cityfolk.types import content_key
from cityfolk.vocabulary import TRAITS

FILLER = "I went there and thought about it for a while before I said anything to them"


def levels_text(levels, words=20):
    """Write five levels from 1 to 9 into an answer of about so many words."""
    filler = " ".join((FILLER.split() * 20)[:words])
    return f"{filler}: " + " ".join(f"{trait[0]}{level}" for trait, level in zip(TRAITS, levels, strict=True)) + "."


def levels_in(text):
    return {trait: int(re.search(rf"\b{trait[0]}(\d)", text)[1]) for trait in TRAITS}


def tables(questions=10, answers=8, *, model="stub-writer", seed=0, targets=True, text=None):
    """Return questions and answers; targets are drawn, and texts show their levels (or are what `text` gives)."""
    stream = rng.child(seed, "tests", "judging")
    asked = pl.DataFrame(
        [
            {
                "question_id": f"topic-{i // 5}-{i:03d}",
                "topic": f"topic-{i // 5}",
                "domain": "work",
                "facets": ["anxiety"],
                "style": "reflection",
                "text": f"What did you do on day {i}?",
                "split": "train" if i % 10 < 5 else "held-out",
            }
            for i in range(questions)
        ],
        schema=QUESTIONS,
    )
    rows = []
    for question in asked["question_id"]:
        for number in range(answers):
            z = stream.normal(size=5)
            levels = np.clip(np.round(5 + 2 * z), 1, 9).astype(int)
            vector = [float(np.clip(0.5 * (1 + math.erf(v / math.sqrt(2))), 0.001, 0.999)) for v in z]
            targeted = targets and number > 0
            said = levels_text(levels, int(stream.integers(10, 60))) if text is None else text(levels, stream)
            rows.append(
                {
                    "answer_id": content_key([question, number, seed])[:16],
                    "question_id": question,
                    "condition": "prompted" if targeted else "untargeted",
                    "target_name": f"target-{number:02d}" if targeted else "",
                    **dict(zip(TARGET_COLUMNS, vector if targeted else [None] * 5, strict=True)),
                    "sample": 0,
                    "text": said,
                    "engine": "test",
                    "model": model,
                    "adapter": "",
                    "prompt": "answer/1",
                    "prompt_hash": "0",
                    "temperature": 0.8,
                    "seed": seed,
                    "finish": "stop",
                    "prompt_tokens": 1,
                    "completion_tokens": 1,
                }
            )
    return asked, pl.DataFrame(rows, schema=ANSWERS)


def study(folder, **options):
    """Write a study folder that holds questions and answers."""
    asked, answered = tables(**options)
    with Study.open(folder, create=True) as made:
        made.begin("answer", {"seed": options.get("seed", 0)})
        made.write("questions", asked)
        made.write("answers", answered)
    return folder


class Server:
    """A chat-completions server on a thread, which judges by the levels in the text.

    With `logprobs` a digit comes with the probabilities of all nine, centred on the level shown; without, JSON is
    given as the schema asks. `refuse` names texts that are answered with nonsense. `obey` makes it fall for orders
    that stand in the text it judges.
    """

    def __init__(self, *, logprobs=True, refuse=(), fail=False):
        self.logprobs, self.refuse, self.fail = logprobs, refuse, fail
        self.bodies = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536
            disable_nagle_algorithm = True

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.bodies.append(body)
                status, said = (500, {"error": {"message": "down"}}) if outer.fail else (200, outer.answer(body))
                raw = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        class Listening(ThreadingHTTPServer):
            request_queue_size = 512

            def handle_error(self, *_):
                pass  # a client that hung up

        self._http = Listening(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def spec(self):
        return f"openai:qwen3:8b@http://127.0.0.1:{self._http.server_port}/v1"

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def answer(self, body):
        prompt = body["messages"][-1]["content"]
        fence, text = re.search(r"^(`{3,})\n(.*?)\n\1$", prompt, re.S | re.M).group(1, 2)
        asked = prompt[prompt.rindex(fence) :]
        shown = levels_in(text)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "well"}}
        if any(word in text for word in self.refuse):
            return {"choices": [choice], "usage": {}}
        falling = bool(re.search(r"(9|100): (keeps|leaves|prefers|doubts|stays)", asked))
        form = body.get("response_format")
        if form is None:  # a digit is asked for, with the probabilities of the others
            trait = next(t for t in TRAITS if f"{t.capitalize()}: " in asked)
            level = 10 - shown[trait] if falling else shown[trait]
            choice["message"]["content"] = str(level)
            if self.logprobs:
                weights = {d: math.exp(-((d - level) ** 2)) for d in range(1, 10)}
                total = sum(weights.values())
                tops = [{"token": str(d), "logprob": math.log(w / total)} for d, w in weights.items()]
                choice["logprobs"] = {"content": [{**tops[level - 1], "top_logprobs": tops}]}
        elif "choice" in (names := form["json_schema"]["schema"]["properties"]):
            trait = next(t for t in TRAITS if f"{t.capitalize()}: " in asked)
            choice["message"]["content"] = json.dumps({"choice": str(10 - shown[trait] if falling else shown[trait])})
        else:
            shares = {trait: round(100 * (shown[trait] - 1) / 8) for trait in names}
            choice["message"]["content"] = json.dumps({t: 100 - s if falling else s for t, s in shares.items()})
        return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 1}}
