"""A rating sheet as one web page that works from a file, offline: it asks the network for nothing.

The page keeps ratings in the browser as they are given and saves them as JSON or CSV. Texts that a model wrote reach it
as data and are shown as text alone; it runs no script but its own, named by hash in its content security policy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from cityfolk.preferences.judging.base import Item
from cityfolk.preferences.judging.prompts import DEFINITIONS
from cityfolk.preferences.judging.sheets import FORMAT, LEVELS, Sheet, lines

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rating sheet</title>
<style>{style}</style>
</head>
<body>
<main>
<p id="unkept" class="notice" hidden>This browser keeps nothing for pages opened from a file. Save your ratings before \
you close the page.</p>
<section id="start">
<h1>What kind of person wrote this?</h1>
<p>You will read {count} short answers to questions. For each one, say on five scales what kind of person wrote it, \
compared with most adults:</p>
<ol class="levels-list">{levels}</ol>
<p>Go by what the answer shows, not by whether you like it or agree with it. Choose 4 where an answer shows \
nothing either way; leave a scale empty only if you cannot tell at all. Some answers come twice: rate them afresh.</p>
<p>You can stop at any time and come back: the page remembers where you were. It sends nothing anywhere. When you are \
done, save the ratings and send the file back to whoever gave you this page.</p>
<div class="row"><button id="begin" class="main" type="button">Begin</button></div>
</section>
<section id="rating" hidden>
<h1 id="number" class="soft"></h1>
<div class="card"><p id="question" class="question"></p><p id="answer" class="answer"></p></div>
<h2>The person who wrote this, compared with most adults</h2>
<div id="traits"></div>
<div class="row"><button id="back" type="button">Back</button>
<button class="push" type="button" data-save="json">Save so far</button>
<button id="next" class="main" type="button">Next</button></div>
</section>
<section id="end" hidden>
<h1>Thank you</h1>
<p id="left"></p>
<div class="row"><button class="main" type="button" data-save="json">Save ratings (JSON)</button>
<button type="button" data-save="csv">Save ratings (CSV)</button></div>
<div class="row"><button id="open" type="button">Go to the first that is open</button>
<button id="again" type="button">Back to the answers</button></div>
</section>
<p id="done" class="soft" aria-live="polite"></p>
<div class="bar" aria-hidden="true"><span id="filled"></span></div>
<noscript><p class="notice">This page needs JavaScript. Ask for the sheet as a CSV file instead.</p></noscript>
</main>
<script type="application/json" id="sheet">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def sheet_page(sheet: Sheet, items: Mapping[str, Item]) -> str:
    """Return the page of a sheet."""
    assets = files("cityfolk.preferences.judging")
    style, script = (assets.joinpath(name).read_text(encoding="utf-8") for name in ("sheet.css", "sheet.js"))
    # The bar's width is set by the script, which a policy for style elements does not touch.
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    shown = {
        "format": FORMAT,
        "sheet": sheet.sheet,
        "who": sheet.who,
        "levels": LEVELS,
        "traits": [
            {"trait": one.trait, "about": f"{one.about[0].upper()}{one.about[1:]}", "low": one.low, "high": one.high}
            for one in DEFINITIONS.values()
        ],
        "items": [
            {"item": number, "question": item.question, "answer": item.text} for number, item in lines(sheet, items)
        ],
    }
    return _PAGE.format(
        policy=policy,
        style=style,
        script=script,
        count=len(sheet.answers),
        levels="".join(f"<li>{escape(words)}</li>" for words in LEVELS),
        data=_embedded(shown),
    )


def _embedded(value: object) -> str:
    """Return JSON that no text inside can end: every "<" and the two line ends that only JSON allows are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    for mark in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
