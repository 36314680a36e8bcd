"""As much of Go's text/template as the Modelfiles use, written from its documentation, to read them as Ollama would."""

import re

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.S)


def render(template, messages):
    """Return what a template makes of {"role", "content"} messages; `.System` is the system messages' text."""
    system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
    pieces, place = [], 0
    for found in _ACTION.finditer(template):
        pieces += [("text", template[place : found.start()]), ("do", found[1].strip())]
        place = found.end()
    pieces.append(("text", template[place:]))
    out, rest = _block(pieces, 0, {"System": system, "Messages": messages}, {})
    assert rest == len(pieces), "an {{ end }} too many"
    return out


def _block(pieces, at, root, names, live=True):
    """Return (text, where the block ends) of the pieces from `at`."""
    out = []
    while at < len(pieces):
        kind, text = pieces[at]
        word = text.split(" ")[0] if kind == "do" else ""
        if kind == "text":
            out.append(text if live else "")
            at += 1
        elif word in ("end", "else"):
            break
        elif word == "if":
            said, at = _choice(pieces, at, root, names, live)
            out.append(said)
        elif word == "range":
            assert text in ("range .Messages", "range $i, $_ := .Messages"), text
            begin = at + 1
            _, at = _block(pieces, begin, root, {"i": 0, "dot": {"role": "", "content": ""}}, live=False)
            if live:
                out += [_block(pieces, begin, root, {"i": i, "dot": m})[0] for i, m in enumerate(root["Messages"])]
            at += 1
        else:
            out.append(str(_value(text, root, names)) if live else "")
            at += 1
    return "".join(out), at


def _choice(pieces, at, root, names, live):
    done, said = False, ""
    while True:
        text = pieces[at][1]
        if text == "end":
            return said, at + 1
        condition = re.sub(r"^(else )?if ", "", text)
        holds = live and not done and (text == "else" or bool(_value(condition, root, names)))
        part, at = _block(pieces, at + 1, root, names, live=holds)
        said, done = said + part, done or holds


def _value(text, root, names):
    words = re.findall(r"\(.*?\)|\"[^\"]*\"|\S+", text)
    if len(words) > 1:
        values = [_value(word, root, names) for word in words[1:]]
        return {
            "not": lambda a: not a,
            "eq": lambda a, b: a == b,
            "le": lambda a, b: a <= b,
            "and": lambda a, b: a and b,
        }[words[0]](*values)
    word = words[0]
    if word.startswith("("):
        return _value(word[1:-1], root, names)
    if word.startswith('"'):
        return word[1:-1]
    if word.isdigit():
        return int(word)
    known = {"$i": "i"}
    if word in known:
        return names["i"]
    if word.startswith("$."):
        return root[word[2:]]
    field = word.removeprefix(".")
    return names["dot"][field.lower()] if field in ("Role", "Content") else root[field]
