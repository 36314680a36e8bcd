"""What the text rater sees in a sentence: words, word families and word pairs, turned round where they are negated.

A sentence becomes named features with a value each:
  w:STEM   a content word, shortened to its stem        n:STEM   the same under a negation (value 1, never turned)
  f:NAME   a word of a family (rater_words.toml)        g:NAME   the same under a negation
  l:TRAIT  markers of the word list of `lexicon`, high minus low, which has its own rules for negation
  b:A_B    two words in a row, not both empty ones      p:N1_N2  two families that follow each other in a clause
A value is 1, times the strength of the clause ("extremely" 1.8, "very" 1.4, "a bit" 0.6), times -0.7 under one
negation. Negations reach to the end of the clause, at most seven words on; two cancel out. Words of dislike ("hate",
"avoid") negate what follows, "drains me" or "is not for me" what stands before. Nothing depends on where in a text a
sentence stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

from cityfolk.personality import lexicon

SENTENCE = re.compile(r"[^.!?;\n]+")
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[,:()\u2014\u2013]")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": " ", "\u201d": " ", '"': " "})
SCOPE, TURNED, LONGEST = 7, -0.7, 60

STOP = frozenset(
    "i me my mine myself you your yours he him his himself she her hers herself it its itself we us our they them "
    "their themselves a an the this that these those there here am is are was were be been being have has had having "
    "do does did doing will would shall should can could may might must and or nor of at by for with about into onto "
    "to from in on off out over under up then than as if so too very just also only own same such both each few more "
    "most other some any all what which who whom whose when where why how i'm i'd i've i'll it's that's there's he's "
    "she's we're they're you're let get got go goes went come comes came make makes made one two thing things "
    "something way day days time times year years tend person people kind type sort else even still again now while "
    "because until after before during between through against really always often usually sometimes typically "
    "generally probably perhaps maybe quite rather pretty say says said lot bit little "
    "ever much many well s t d m re ve ll".split()
)
_PLAIN_NEGATORS = frozenset(
    "not never rarely seldom hardly barely scarcely no without nor neither cannot less least little few nobody nothing "
    "none isn't aren't wasn't weren't doesn't don't didn't won't can't couldn't wouldn't shouldn't haven't hasn't "
    "hadn't ain't instead".split()
)
# Stems of words that negate what follows and mean something themselves.
_DISLIKES = frozenset(
    "avoid dislik hat detest loath refus fail lack unabl unwill stop quit ignor forget skip resist oppos distrust "
    "neglect reject shun dodg dismiss uninterest indifferent avers hesitant reluctant immun incapabl abandon "
    "difficulti struggl discourag mistrust unmov dread shrink hid escap oppo reluct".split()
)
_DISLIKE_PAIRS = frozenset(
    tuple(pair.split("_"))
    for pair in (
        "hard_to slow_to difficult_to free_of free_from far_from stay_away stays_away stayed_away turn_down turns_down "
        "turned_down turning_down give_up gives_up gave_up giving_up put_off puts_off putting_off rid_of laugh_off "
        "laughs_off laughed_off shake_off shakes_off let_go lets_go keep_away out_of bored_by opposed_to blind_to "
        "deaf_to cold_to unmoved_by bad_at poor_at hopeless_at terrible_at useless_at wary_of suspicious_of "
        "cautious_about tired_of sick_of walk_past walks_past walked_past yawn_through asleep_at sleep_through "
        "sleeps_through slept_through lose_interest loses_interest lost_interest short_on too_lazy too_tired "
        "put_down drop_out sit_out careless_about"
    ).split()
)
_NO_NEGATION = frozenset(
    {
        *(("not", after) for after in ("only", "just", "to", "even")),
        *(("no", after) for after in ("doubt", "matter", "wonder", "problem")),
        *((before, "mind") for before in ("don't", "didn't", "wouldn't", "not", "never")),
        *((before, "help") for before in ("can't", "couldn't", "cannot")),
        *((before, "wait") for before in ("can't", "couldn't", "cannot")),
        *((before, "beats") for before in ("nothing", "nobody")),
        *(("never", after) for after in ("miss", "tire", "fail", "stop", "cease")),
        ("a", "few"),
        ("a", "little"),
        *((before, "forget") for before in ("don't", "didn't")),
        ("nothing", "but"),
        ("nothing", "like"),
        ("few", "things"),
        ("can't", "imagine"),
    }
)
_BREAKS = frozenset(",:()\u2014\u2013") | {"but", "although", "though", "yet", "however", "because", "while", "whereas"}
_SUBJECTS = frozenset("i he she they we you it my his her their the i'm i'd i've he's she's it's that".split())
_DEGREES = {
    degree: frozenset(words.split())
    for degree, words in {
        1.8: "extremely incredibly absolutely totally completely utterly intensely profoundly exceptionally always "
        "never constantly forever endlessly invariably tremendously",
        1.4: "very deeply truly really every terribly remarkably passionately strongly highly particularly especially "
        "greatly enormously genuinely immensely",
        0.6: "sometimes occasionally somewhat slightly fairly bit mildly moderately partly",
    }.items()
}
_TURNS_BACK = re.compile(
    r"\b(?:bores?|bored|drains?|drained|exhausts?|exhausted|tires?|tired|repels?|leaves?|left) (?:me|him|her|them)\b"
    r"|\b(?:rolls?|rolled|runs?|ran|slides?|bounces?) off (?:me|him|her)\b"
    r"|\b(?:not|aren't|isn't|wasn't|never been) (?:for me|my thing|my style|my idea|for him|for her|in my nature)\b"
    r"|\b(?:is|are|was) for (?:fools|losers|the weak|suckers|idiots|other people|others)\b"
    r"|\b(?:foreign|strangers?|mystery|rare|alien|unknown) (?:to|for) (?:me|him|her)\b"
    r"|\bto (?:others|other people|professors|someone else|somebody else)\b"
    r"|\bdoes nothing for\b|\bout of the question\b"
    r"|\bno (?:appeal|attraction|interest|pull)\b"
    r"|\b(?:overrated|pointless|wasted on|a waste of|not worth|isn't worth)\b"
    r"|\bas (?:a |an )?(?:distractions?|foolish|weak|weakness|nuisance|pointless|silly|waste|luxury|burden)\b"
    r"|\b(?:too loud|boring|useless|tiresome|tedious|silly|a nuisance|over my head|over his head|not my problem)\b"
    r"|\bnever been (?:my|his|her) (?:habit|goal|way|strength|thing)\b"
)
IRREGULAR: dict[str, str] = dict(
    pair.split(":")
    for pair in (
        "ate:eat eaten:eat became:become began:begin begun:begin bent:bend bet:bet bit:bite blew:blow bought:buy "
        "broke:break broken:break brought:bring built:build burst:burst caught:catch chose:choose chosen:choose "
        "crept:creep dealt:deal dove:dive drank:drink drew:draw drove:drive driven:drive fell:fall fallen:fall "
        "felt:feel fled:flee flew:fly forgave:forgive forgot:forget forgotten:forget fought:fight found:find "
        "froze:freeze gave:give given:give grew:grow grown:grow heard:hear held:hold hid:hide hidden:hide hung:hang "
        "hurt:hurt kept:keep knew:know known:know laid:lay lain:lie lay:lie led:lead left:leave lent:lend lost:lose "
        "lying:lie met:meet meant:mean paid:pay quit:quit ran:run rang:ring rode:ride rose:rise sang:sing sat:sit "
        "saw:see seen:see sent:send shook:shake shaken:shake shot:shoot slept:sleep slid:slide spent:spend spoke:speak "
        "spoken:speak stood:stand stole:steal stolen:steal stuck:stick swam:swim swore:swear taught:teach taken:take "
        "thought:think threw:throw thrown:throw told:tell took:take understood:understand woke:wake won:win wore:wear "
        "wrote:write written:write worse:bad worst:bad better:good best:good feet:foot lives:life children:child "
        "dying:die tying:tie sank:sink sunk:sink swept:sweep struck:strike stirred:stir strove:strive sought:seek"
    ).split()
)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return a word without its endings: "worries", "worried" and "worrying" all become "worri"."""
    word = word.removesuffix("'s")
    word = IRREGULAR.get(word, word)
    if len(word) > 5 and word.endswith("ing"):
        word = _undouble(word[:-3])
    elif len(word) > 4 and word.endswith(("ied", "ies")):
        word = word[:-2]
    elif len(word) > 4 and word.endswith("ed") and not word.endswith("eed"):
        word = _undouble(word[:-2])
    elif len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 5 and word.endswith("ly"):
        word = word[:-2]
    if len(word) > 6 and word.endswith("ness"):
        word = word[:-4]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def _undouble(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word


@lru_cache(maxsize=1)
def families() -> dict[str, tuple[str, ...]]:
    """Return the word families by name; a star ends a stem."""
    text = files("cityfolk.personality").joinpath("rater_words.toml").read_text(encoding="utf-8")
    return {name: tuple(words.split()) for name, words in tomllib.loads(text)["families"].items()}


@lru_cache(maxsize=1)
def _family_index() -> tuple[dict[str, list[str]], dict[str, list[str]], tuple[int, ...]]:
    exact: dict[str, list[str]] = {}
    starred: dict[str, list[str]] = {}
    for name, words in families().items():
        for word in words:
            table = starred if word.endswith("*") else exact
            table.setdefault(word.rstrip("*"), []).append(name)
    return exact, starred, tuple(sorted({len(word) for word in starred}))


@lru_cache(maxsize=1)
def _clans() -> dict[str, tuple[str, ...]]:
    text = files("cityfolk.personality").joinpath("rater_words.toml").read_text(encoding="utf-8")
    return {name: tuple(members.split()) for name, members in tomllib.loads(text)["clans"].items()}


@lru_cache(maxsize=65_536)
def families_of(word: str) -> tuple[str, ...]:
    """Return the families that a word stands in, each once, and the clans of these families."""
    exact, starred, lengths = _family_index()
    found = list(exact.get(word, ()))
    for length in lengths:
        found += starred.get(word[:length], ()) if length <= len(word) else ()
    clans = [name for name, members in _clans().items() if not set(members).isdisjoint(found)]
    return tuple(dict.fromkeys([*found, *clans]))


def sentences(text: str) -> list[list[str]]:
    """Return the sentences of a text as lower-case tokens, commas among them; very long ones are cut up."""
    found = []
    for match in SENTENCE.finditer(text.lower().translate(_QUOTES)):
        tokens = _TOKEN.findall(match.group())
        for start in range(0, len(tokens), LONGEST):
            found.append(tokens[start : start + LONGEST])
    return [tokens for tokens in found if tokens]


def features(tokens: Sequence[str]) -> dict[str, float]:
    """Return the features of one sentence and their values."""
    found: dict[str, float] = {}
    for clause in _clauses(tokens):
        signs = _signs(clause)
        strength = _strength(clause)
        _add_words(found, clause, signs, strength)
    for match in lexicon.matches(tokens):
        name = f"l:{match.trait}"
        found[name] = found.get(name, 0.0) + (1.0 if match.pole == "high" else -1.0)
    return {name: max(-3.0, min(3.0, value)) for name, value in found.items()}


def _clauses(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Cut where a negation ends: at commas, at "but" and its like, and at "and" before a new subject."""
    clause: list[str] = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token in _BREAKS or (token in ("and", "so") and following in _SUBJECTS):
            if clause:
                yield clause
            clause = []
        else:
            clause.append(token)
    if clause:
        yield clause


def _signs(clause: Sequence[str]) -> list[bool]:
    """Say of each word whether it is negated."""
    flips = [0] * len(clause)
    less = _less_liked(clause)
    for at, token in enumerate(clause):
        pair = (token, clause[at + 1] if at + 1 < len(clause) else "")
        negates = token in _PLAIN_NEGATORS or stem(token) in _DISLIKES
        if pair in _NO_NEGATION or (at and (clause[at - 1], token) in _NO_NEGATION):
            negates = False
        start = at + 2 if pair in _DISLIKE_PAIRS else at + 1
        if negates or start == at + 2 or at == less:
            for ahead in range(start, min(start + SCOPE, len(clause))):
                flips[ahead] += 1
    turned = _TURNS_BACK.search(" ".join(clause))
    if turned is not None:
        words_before = turned.string[: turned.start()].count(" ")
        flips[:words_before] = [flip + 1 for flip in flips[:words_before]]
    return [flip % 2 == 1 for flip in flips]


def _less_liked(clause: Sequence[str]) -> int:
    """Return where "rather A than B", "prefer A to B" turns to what is liked less; -1 where it doesn't."""
    wish = next((at for at, token in enumerate(clause) if token in ("rather", "sooner", "prefer", "prefers")), None)
    if wish is None:
        return -1
    turns = ("than", "over", "to") if clause[wish].startswith("prefer") else ("than",)
    return next((at for at in range(wish + 2, len(clause)) if clause[at] in turns), -1)


def _strength(clause: Sequence[str]) -> float:
    return next((degree for degree, words in _DEGREES.items() if not words.isdisjoint(clause)), 1.0)


def _add_words(found: dict[str, float], clause: Sequence[str], signs: Sequence[bool], strength: float) -> None:
    last: tuple[str, ...] = ()
    for at, token in enumerate(clause):
        root = stem(token)
        if at and not (token in STOP and clause[at - 1] in STOP):
            pair = f"b:{stem(clause[at - 1])}_{root}"
            found[pair] = found.get(pair, 0.0) + strength
        if token in STOP or token in _PLAIN_NEGATORS:
            continue
        value = strength * (TURNED if signs[at] else 1.0)
        names = families_of(token)
        for kind, keys in (("w", (root,)), ("f", names)):
            for key in keys:
                found[f"{kind}:{key}"] = found.get(f"{kind}:{key}", 0.0) + value
                if signs[at]:
                    found[f"{'n' if kind == 'w' else 'g'}:{key}"] = 1.0
        for one in last:
            for other in names:
                if one != other:
                    found[f"p:{one}_{other}"] = value
        last = names
