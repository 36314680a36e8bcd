"""The grammar: the profile that training holds up as the right answer to a prompt.

Each field shows the traits that belong to it at their level, and the facts that belong to it as they stand in the
prompt. No number appears that the prompt doesn't give.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from numpy.random import Generator

from cityfolk.pocket.facts import Facts, parse_facts
from cityfolk.pocket.occupations import choose_job, group, status
from cityfolk.pocket.phrasing import Voice, bank, by_salience, join, neutral_bank, pole, trait_bank

_QUARTERS = {
    "nursing": "nursing",
    "correctional": "correctional",
    "juvenile": "juvenile",
    "institution": "institution",
    "student housing": "student_housing",
    "group quarters": "quarters",
}
_WISHED = {"openness": 1, "conscientiousness": 1, "extraversion": 1, "agreeableness": 1, "neuroticism": -1}


def write_profile(prompt: str, rng: Generator) -> dict[str, Any]:
    """Return a profile for the text of a citizen: the keys of `profiles.schema.ProfileText`, in order."""
    facts = parse_facts(prompt)
    voice, title, duty = make_voice(facts, rng, prompt)
    return {
        "general_description": _general(voice),
        "job_title": title,
        "job_description": _job(voice, duty),
        "personality_description": personality(voice),
        "cognition": _two(voice, "cognition", "openness", "conscientiousness"),
        "motivations": motivations(voice),
        "strengths": _items(voice, "strengths"),
        "weaknesses": _items(voice, "weaknesses"),
        "family": _family(voice),
        "friends": _two(voice, "friends", "extraversion", "agreeableness"),
        "workplace": _workplace(voice),
        "community_role": _community(voice),
        "daily_routine": _routine(voice),
        "leisure_habits": _two(voice, "leisure", "openness", "extraversion"),
        "work_habits": _work(voice),
        "health_habits": _health(voice),
        "social_habits": _two(voice, "social", "extraversion", "agreeableness", shuffle=True),
        "appearance": _appearance(voice),
    }


def make_voice(facts: Facts, rng: Generator, prompt: str = "") -> tuple[Voice, str, str]:
    """Return the voice of a person with every slot filled, the job title, and what the job is.

    A job that the prompt names already, in its reflections, is kept.
    """
    title, duty, job = choose_job(facts, rng, prompt)
    plain = Voice.of(facts, rng)
    extra = {
        "job": plain.fill(job),
        "who": plain.fill(_who(facts)),
        "edu": plain.fill(plain.pick(bank("life")["education"].get(facts.education, ("is still very young",)))),
        "status": {"naturalized citizen": ", is a naturalized citizen", "not a citizen": ", isn't a US citizen"}.get(
            facts.status, ""
        ),
        "speaks": f"speaks {facts.language} at home",
        "tenure": facts.dwelling,
        "members": members(plain),
    }
    return Voice.of(facts, rng, extra), title, duty


def _who(facts: Facts) -> str:
    if facts.quarters:
        article = {"student housing": "student housing", "group quarters": "group quarters"}
        names = {"nursing": "a nursing facility", "institution": "an institution"}
        return f"lives in {article.get(facts.quarters) or names.get(facts.quarters) or f'a {facts.quarters} facility'}"
    if not facts.members:
        return "lives alone"
    counts = Counter(_kind(relation) for relation, _ in facts.members)
    kinds = [_owned(kind, count) for kind, count in counts.items()]
    return f"lives with {join(kinds if len(kinds) < 4 else [*kinds[:3], 'others'])}"


def _kind(relation: str) -> str:
    return "relative" if relation == "other relative" else relation


def _owned(kind: str, count: int) -> str:
    if kind in ("housemate", "relative"):
        return f"{kind}s" if count > 1 else f"a {kind}"
    return f"{{his}} {_plural(kind) if count > 1 else kind}"


def members(voice: Voice) -> str:
    """Return the people of the household one by one in the order of the prompt: "his wife (34), his son (5)"."""
    parts = [f"{_owned(_kind(relation), 1)} ({age})" for relation, age in voice.facts.members]
    return voice.fill(", ".join([*parts, "others"] if voice.facts.more else parts))


def _plural(name: str) -> str:
    return "wives" if name == "wife" else f"{name}s"


def _general(voice: Voice) -> str:
    words = bank("life")["general"]
    second = words["second"] if voice.facts.education else words["child_second"]
    return f"{voice.say(words['first'])} {voice.say(second)}"


def _job(voice: Voice, duty: str) -> str:
    facts, text = voice.facts, voice.say((f"{{S}} {duty}",))
    if facts.self_employed:
        return f"{text} {voice.say(bank('life')['place_of_work']['self'])}"
    if facts.industry and voice.chance(0.5):
        return f"{text} " + voice.say((f"It is a job in {facts.industry}", f"The field is {facts.industry}"))
    return text


def trait_words(voice: Voice, trait: str, count: int = 2) -> str:
    """Return adjectives for a trait at its level: "very curious and imaginative"."""
    words = list(trait_bank(voice.facts, trait, "adjectives"))
    gradable = words[: max(1, len(words) // 2 + 1)]
    first = gradable[int(voice.rng.random() * len(gradable))]
    rest = [word for word in words if word != first]
    chosen = [f"{{adv}} {first}"]
    if count > 1 and rest:
        chosen.append(rest[int(voice.rng.random() * len(rest))])
    return voice.fill(" and ".join(chosen), level=voice.facts.levels[trait])


def personality(voice: Voice) -> str:
    """Return the traits that are not average, in words, in two sentences at most."""
    traits = by_salience(voice.facts)
    if not traits:
        return voice.say(("{S} is close to the average in most ways, neither extreme nor remarkable",))
    texts = [trait_words(voice, trait) for trait in traits]
    he, name = voice.slots["He"], voice.slots["N"]
    text = f"{he} is {', and '.join(texts[:2])}."
    if len(texts) > 2:
        last = f"{', '.join(texts[2:-1])}, and {texts[-1]}" if len(texts) > 3 else texts[2]
        text += f" {name if voice.chance(0.5) else he} is also {last}."
    return text


def _two(voice: Voice, field: str, first: str, second: str, *, shuffle: bool = False) -> str:
    """Return one sentence for each of two traits that a field shows; neutral ones where they are average."""
    order = (second, first) if shuffle and voice.chance(0.5) else (first, second)
    texts: list[str] = []
    for trait in order:
        options = trait_bank(voice.facts, trait, field)
        if options:
            name = bool(texts) and voice.chance(0.4)
            texts.append(voice.say(options, level=voice.facts.levels[trait], name=name))
    if not texts or (len(texts) == 1 and voice.chance(0.35)):
        texts.append(voice.say(neutral_bank(voice.facts, field)))
    return " ".join(dict.fromkeys(texts))


def motivations(voice: Voice) -> str:
    """Return what drives a person: one sentence for each of the two most marked traits."""
    traits = by_salience(voice.facts)[:2]
    texts = []
    for number, trait in enumerate(traits):
        options = trait_bank(voice.facts, trait, "motivations")
        texts.append(voice.say(options, level=voice.facts.levels[trait], name=number > 0 and voice.chance(0.3)))
    if not texts:
        texts.append(voice.say(neutral_bank(voice.facts, "motivations")))
    return " ".join(dict.fromkeys(texts))


def _items(voice: Voice, field: str) -> list[str]:
    """Return three strengths or weaknesses: wished-for poles are strengths first, the others weaknesses first."""
    levels, sign = voice.facts.levels, 1 if field == "strengths" else -1
    order = sorted(by_salience(voice.facts), key=lambda t: -sign * _WISHED[t] * levels[t])
    used: list[str] = []
    for trait in order[:3]:
        used.append(voice.fill(voice.pick(trait_bank(voice.facts, trait, field))))
    while len(used) < 3:
        item = voice.fill(voice.pick(neutral_bank(voice.facts, field)))
        if item not in used:
            used.append(item)
    return [item[0].upper() + item[1:] for item in used]


def _family(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")
    if facts.quarters:
        text = voice.say(words["family"][_QUARTERS[facts.quarters]])
    else:
        text = voice.say(words["family"]["with" if facts.members else "alone"])
    together = any(relation in ("wife", "husband") for relation, _ in facts.members)
    side = pole(facts.levels["agreeableness"])
    if facts.age >= 18 and not together and voice.chance(0.7):
        return f"{text} {voice.say(words['marital'][facts.marital])}"
    if facts.members and side and voice.chance(0.6):
        options = words["home_life"]["agreeable" if side == "high" else "disagreeable"]
        return f"{text} {voice.say(options, level=facts.levels['agreeableness'])}"
    if together and facts.age >= 18:
        partner = next(relation for relation, _ in facts.members if relation in ("wife", "husband"))
        return f"{text} {voice.say([s.replace('{spouse}', partner) for s in words['marital']['married together']])}"
    return f"{text} {voice.say(words['home_life']['plain'])}" if facts.members else text


def _workplace(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")
    name = status(facts)
    places = words["place_of_work"]
    if name == "worker":
        text = voice.say(places["self" if facts.self_employed and voice.chance(0.4) else facts.industry])
    else:
        key = name if name in places else group(name)
        text = voice.say(places.get(key, places["home"]))
    if facts.commute in words["commute"]:
        options = [line.replace("{m}", facts.minutes) for line in words["commute"][facts.commute]]
        text += f" {voice.say(options)}"
    return text


def _community(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")
    text = voice.fill(voice.pick(words["religion"][facts.religion]))
    if facts.politics in words["politics"]:
        joint = " and " if " and " not in text else ", and "
        he = voice.slots["he"] + " " if joint.startswith(",") else ""
        text += f"{joint}{he}{voice.pick(words['politics'][facts.politics])}"
    options = trait_bank(facts, "agreeableness", "community") or neutral_bank(facts, "community")
    return f"{text[0].upper()}{text[1:]}. " + voice.say(
        options, level=facts.levels["agreeableness"], name=voice.chance(0.4)
    )


def _routine(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")["routine"]
    name = group(status(facts))
    if facts.restricted and name != "worker":
        name = "facility"
    if name == "worker" and facts.commute == "worked from home":
        name = "worker_home"
    text = voice.say(words.get(name, words["home"]))
    options = trait_bank(facts, "conscientiousness", "routine") or neutral_bank(facts, "routine")
    return f"{text} {voice.say(options, level=facts.levels['conscientiousness'], name=voice.chance(0.4))}"


def _work(voice: Voice) -> str:
    facts, contexts = voice.facts, bank("life")["work_context"]
    name = group(status(facts))
    prefix = voice.fill(voice.pick(contexts.get(name, contexts["home"]))) if voice.chance(0.65) else ""
    texts: list[str] = []
    for trait in ("conscientiousness", "neuroticism"):
        options = trait_bank(facts, trait, "work")
        if options:
            lead = "" if texts else prefix
            named = bool(lead or texts) and voice.chance(0.4)
            texts.append(voice.say(options, level=facts.levels[trait], name=named, prefix=lead))
    return " ".join(texts) if texts else voice.say(neutral_bank(facts, "work"), prefix=prefix)


def _health(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")["disability"]
    texts = []
    if len(facts.disabilities) == 1:
        texts.append(voice.say(words[facts.disabilities[0]]))
    elif facts.disabilities:
        listed = join([_difficulty(name) for name in facts.disabilities])
        texts.append(voice.say([line.replace("{list}", listed) for line in words["several"]]))
    for trait in sorted(("neuroticism", "conscientiousness"), key=lambda t: -abs(facts.levels[t])):
        options = trait_bank(facts, trait, "health")
        if options and len(texts) < 2:
            name = bool(texts) and voice.chance(0.4)
            texts.append(voice.say(options, level=facts.levels[trait], name=name))
    return " ".join(texts or [voice.say(neutral_bank(facts, "health"))])


def _difficulty(name: str) -> str:
    words = {"vision": "seeing", "cognitive": "remembering", "ambulatory": "walking", "self-care": "dressing"}
    return words.get(name, "going out alone" if name == "independent living" else name)


def _appearance(voice: Voice) -> str:
    facts, words = voice.facts, bank("life")["body"]
    if facts.age < 18 or not facts.height_cm:
        body = [voice.fill(voice.pick(words["middle" if facts.age >= 18 else "teen" if facts.age > 9 else "child"]))]
    else:
        body = [voice.pick(words[_height(facts)]), voice.pick(words[_build(facts)])]
    if facts.age >= 65:
        body.append(voice.pick(words["hair_old"]))
    elif facts.age >= 18:
        body.append(voice.fill(voice.pick(words["hair"])))
    text = f"{voice.slots['He']} is {join(body[:2])}" + (f", {body[2]}." if len(body) > 2 else ".")
    text = text.replace(" and with ", ", with ")
    clauses: list[str] = []
    for trait in ("conscientiousness", "openness"):
        options = trait_bank(facts, trait, "appearance")
        if options and facts.age >= 5 and (not clauses or voice.chance(0.5)):
            clauses.append(voice.fill(voice.pick(options), level=facts.levels[trait]))
    if not clauses and facts.age >= 5:
        clauses.append(voice.fill(voice.pick(neutral_bank(facts, "appearance"))))
    if not clauses:
        return text
    subject = voice.slots["N"] if voice.chance(0.4) else voice.slots["He"]
    return f"{text} {subject} {join(clauses)}."


def _height(facts: Facts) -> str:
    tall, short = (183, 168) if facts.sex == "male" else (170, 157)
    return "tall" if facts.height_cm >= tall else "short" if facts.height_cm < short else "middle"


def _build(facts: Facts) -> str:
    index = facts.weight_kg / (facts.height_cm / 100) ** 2
    return "slim" if index < 20 else "medium" if index < 28 else "heavy"
