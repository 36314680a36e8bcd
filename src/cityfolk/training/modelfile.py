"""A Modelfile for Ollama: what a model's chat template writes around the turns, said once more in Go's templates.

A chat template is a program; what it does is learned by asking it. Conversations with marks in the place of what is
said are rendered, the text between the marks is read off, and the result is compared with the template on
conversations that it was not read from. A template that does not pass is not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cityfolk.errors import CityfolkError

Turn = Mapping[str, str]
Render = Callable[[Sequence[Turn]], str]
"""Renders a conversation up to where the next answer begins; an error of this package where the template refuses."""

_SYSTEM, _USER, _ANSWER, _AGAIN = "cityfolk7s", "cityfolk7u", "cityfolk7a", "cityfolk7v"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The text around turns: `opening` where no system message is given; before and after each; `closing` at the end.

    `system` is None where a template has no such role: the message then stands in front of the first user's.
    """

    opening: str
    system: tuple[str, str] | None
    user: tuple[str, str]
    assistant: tuple[str, str]
    closing: str

    def text(self, turns: Sequence[Turn]) -> str:
        """Return what Ollama would make of a conversation."""
        system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
        parts = [] if system and self.system else [self.opening]
        around = {"system": self.system, "user": self.user, "assistant": self.assistant}
        for place, turn in enumerate(turns):
            pair = around[turn["role"]]
            if pair is not None:
                folded = f"{system}\n\n" if system and self.system is None and place == 1 else ""
                parts.append(f"{pair[0]}{folded}{turn['content']}{pair[1]}")
        return "".join([*parts, self.closing])

    def go(self) -> str:
        """Return the same as a Go template with Ollama's variables."""
        first = f"{{{{ if not .System }}}}{self.opening}{{{{ end }}}}" if self.system and self.opening else self.opening
        if self.system:
            system = f'{{{{ if eq .Role "system" }}}}{_around(self.system)}{{{{ else if eq .Role "user" }}}}'
            user = f"{system}{_around(self.user)}"
        else:
            folded = "{{ if and $.System (le $i 1) }}{{ $.System }}\n\n{{ end }}"
            user = f'{{{{ if eq .Role "user" }}}}{self.user[0]}{folded}{{{{ .Content }}}}{self.user[1]}'
        answer = f'{{{{ else if eq .Role "assistant" }}}}{_around(self.assistant)}{{{{ end }}}}'
        return f"{first}{{{{ range $i, $_ := .Messages }}}}{user}{answer}{{{{ end }}}}{self.closing}"


def turns_of(render: Render, *, bos: str = "") -> Turns | None:
    """Read the text around turns off a chat template; None where it cannot be said turn by turn.

    `bos` is the token that whoever reads the prompt puts in front of it, and is left out.
    """

    def plain(turns: Sequence[Turn]) -> str:
        return render(turns).removeprefix(bos)

    try:
        found = _read(plain)
        return found if found is not None and _holds(found, plain) else None
    except CityfolkError:
        return None


def modelfile(gguf: str, *, turns: Turns | None, stop: str, context: int) -> str:
    """Return a Modelfile for a GGUF file beside it; `context` is in tokens.

    Without `turns` it has no template, and Ollama looks for one that resembles what the GGUF file carries. Ollama cuts
    old messages silently at a context shorter than the prompt, so that is set. No system message is put in.
    """
    template = turns.go() if turns is not None else ""
    said = f'TEMPLATE """{template}"""\n' if template and '"""' not in template else ""
    return (
        f"FROM ./{gguf}\n{said}PARAMETER num_ctx {context}\n"
        f'PARAMETER stop "{stop}"\nPARAMETER temperature 0.8\nPARAMETER top_p 1\n'
    )


def _around(pair: tuple[str, str]) -> str:
    return f"{pair[0]}{{{{ .Content }}}}{pair[1]}"


def _turn(role: str, content: str) -> Turn:
    return {"role": role, "content": content}


def _read(plain: Render) -> Turns | None:
    once = plain([_turn("user", _USER)]).partition(_USER)
    begin, tail = once[0], once[2]
    twice = plain([_turn("user", _USER), _turn("assistant", _ANSWER), _turn("user", _AGAIN)])
    between, _, rest = twice.removeprefix(begin + _USER).partition(_ANSWER)
    back, found, last = rest.partition(_AGAIN)
    if not found or last != tail:
        return None
    system = _system_parts(plain)
    start = _common_end(begin, back) if system is None else _common_end(_common_end(begin, back), system[1])
    end = _common_begin(between, tail)
    return Turns(
        opening=begin.removesuffix(start),
        system=None if system is None else (system[0], system[1].removesuffix(start)),
        user=(start, end),
        assistant=(between.removeprefix(end), back.removesuffix(start)),
        closing=tail.removeprefix(end),
    )


def _system_parts(plain: Render) -> tuple[str, str] | None:
    """Return what stands before a system message and what between it and the user's; None where there is no role."""
    try:
        text = plain([_turn("system", _SYSTEM), _turn("user", _USER)])
    except CityfolkError:
        return None
    before, found, after = text.partition(_SYSTEM)
    between, also, _ = after.partition(_USER)
    # A template that puts the message inside the user's turn has it in another place once there are more turns.
    return (before, between) if found and also else None


def _common_end(a: str, b: str) -> str:
    size = 0
    while size < min(len(a), len(b)) and a[-1 - size] == b[-1 - size]:
        size += 1
    return a[len(a) - size :]


def _common_begin(a: str, b: str) -> str:
    size = 0
    while size < min(len(a), len(b)) and a[size] == b[size]:
        size += 1
    return a[:size]


def _holds(found: Turns, plain: Render) -> bool:
    """Say whether the template does the same on conversations that were not read."""
    talk = [_turn(role, text) for role, text in (("user", "Who?"), ("assistant", "Me."), ("user", "Why so?"))]
    longer = [*talk, _turn("assistant", "It is so."), _turn("user", "And then?")]
    told = _turn("system", "You are somebody.")
    cases = [talk[:1], talk, longer]
    if any(found.text(turns) != plain(turns) for turns in cases):
        return False
    if found.system is None:
        folded = [[_turn("user", f"You are somebody.\n\n{turns[0]['content']}"), *turns[1:]] for turns in cases]
        pairs = zip(cases, folded, strict=True)
        return all(found.text([told, *turns]) == plain(one) for turns, one in pairs)
    return all(found.text([told, *turns]) == plain([told, *turns]) for turns in cases)
