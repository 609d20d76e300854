"""Writes the text that the tiny Llamas are trained on: questions, answers, conversations.

Knows nothing of tokens or templates (formats.py). Everything is drawn from one `random.Random`,
so a seed gives the same text. Run as a script it writes models/questions.json, models/words.txt
and, with --corpus, a text file for the tokenizers.
"""

import argparse
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import subjects as S

MODELS_DIRECTORY = Path(__file__).resolve().parent.parent
MAIN = [subject for subject in S.SUBJECTS if subject.get("main")]
EXTRA = [subject for subject in S.SUBJECTS if not subject.get("main")]
SUBJECT_NUMBERS = {subject["id"]: number for number, subject in enumerate([*S.SUBJECTS, S.OFF_TOPIC])}
GROUP = re.compile(r"\(([^()]*)\)")


@dataclass
class Turn:
    """One question with its answer; `learn` is false where the answer is only context."""

    user: str
    assistant: str
    learn: bool = True
    subject: str = ""


@dataclass
class Conversation:
    system: str | None
    turns: list[Turn] = field(default_factory=list)


def expand(pattern: str, rng: random.Random) -> str:
    """Replaces each innermost "(a|b)" by one of its alternatives until none is left."""
    while True:
        replaced = GROUP.sub(lambda match: rng.choice(match.group(1).split("|")), pattern)
        if replaced == pattern:
            return replaced
        pattern = replaced


def normalise(text: str) -> str:
    """Lower case words only: the form in which held-out phrasings are kept out of the text."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


HELD_OUT = [normalise(text) for subject in MAIN for text in subject["held_out"]] + [
    normalise(text) for text in S.OFF_TOPIC_HELD_OUT + S.SYSTEM_PROMPTS_HELD_OUT
]


def holds_held_out(text: str) -> bool:
    plain = normalise(text)
    return any(phrase in plain for phrase in HELD_OUT)


def misspell(word: str, rng: random.Random) -> str:
    """Swaps, drops or doubles one inner letter."""
    if len(word) < 5 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 2)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 1 else word[:at] + word[at] + word[at:]


def invented_word(rng: random.Random) -> str:
    """A word that does not exist, so that unknown words are nothing unusual."""
    syllables = [
        rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") + rng.choice(["", "", "n", "r", "s", "t", "l"])
        for _ in range(rng.randint(1, 3))
    ]
    return "".join(syllables)


def rough_words(text: str, rng: random.Random) -> str:
    """Sometimes drops, adds or misspells a word."""
    words = text.split(" ")
    chance = rng.random()
    if chance < 0.08 and len(words) > 4:
        del words[rng.randrange(len(words) - 1)]
    elif chance < 0.18:
        word = rng.choice(S.FILLERS) if rng.random() < 0.6 else invented_word(rng)
        words.insert(rng.randrange(len(words) + 1), word)
    elif chance < 0.23:
        at = rng.randrange(len(words))
        words[at] = misspell(words[at], rng)
    return " ".join(words)


def wrap(text: str, kind: str, rng: random.Random) -> str:
    """Puts politeness, greetings and chatter around a question."""
    if kind == "knowledge":
        if rng.random() < 0.30:
            text = rng.choice(S.PREFIXES) + text
        if rng.random() < 0.18:
            text = text + rng.choice(S.SUFFIXES)
        if rng.random() < 0.08:
            chatter = rng.choice(S.CHATTER)
            text = f"{chatter}{rng.choice(['. ', ', ', ', so '])}{text}"
    elif rng.random() < 0.12:
        text = (
            rng.choice(
                [
                    "hey, ",
                    "so, ",
                    "ok, ",
                    "well, ",
                    "oh, ",
                    "and ",
                    "hey ",
                    "dear Tiny, ",
                    "Tiny, ",
                    "hello, ",
                    "hi, ",
                    "please, ",
                ]
            )
            + text
        )
    return text


def write_out(text: str, rng: random.Random) -> str:
    """Gives a question its case and its closing mark, tidy or not."""
    text = text.strip()
    style = rng.random()
    if style < 0.16:
        text = text.lower()
    elif style < 0.185:
        text = text.upper()
    elif style < 0.21:
        text = text.title()
    elif style < 0.90:
        text = re.sub(r"\bi\b(?!\.)", "I", text)
        text = text[:1].upper() + text[1:]
        text = re.sub(r"([.!?] )([a-z])", lambda match: match.group(1) + match.group(2).upper(), text)
    if text[-1] in ".!?":
        return text if rng.random() < 0.8 else text[:-1]
    asks = re.match(
        r"\W*(what|how|who|which|why|where|when|can|could|do|does|is|are|may|will|would|should|shall|did|was|have)\b",
        text.lower(),
    )
    marks = (
        ["?", "?", "?", "?", "?", "?", "", "", "??", ".", "!", " ?"]
        if asks or rng.random() < 0.25
        else [".", ".", ".", "!", "", "", "?", "..."]
    )
    return text + rng.choice(marks)


def hinted(hints: list[str], rng: random.Random) -> str:
    """A loose phrase of filler words around one or two hints at a subject."""
    words = [rng.choice(hints) for _ in range(1 if rng.random() < 0.7 else 2)]
    for _ in range(rng.randint(1, 6)):
        words.insert(rng.randrange(len(words) + 1), rng.choice(S.FILLERS))
    if rng.random() < 0.3:
        at = rng.randrange(len(words))
        words[at] = words[at] + ","
    return " ".join(words).strip(",")


def off_topic_thing(rng: random.Random) -> str:
    """Something that is no subject, or a property of it."""
    chance = rng.random()
    if chance < 0.12:
        return "the " + invented_word(rng)
    thing = rng.choice(S.OFF_TOPIC_PLACES) if chance < 0.25 else rng.choice(S.OFF_TOPIC_THINGS)
    return f"{rng.choice(S.OFF_TOPIC_OF)} of {thing}" if rng.random() < 0.2 else thing


def off_topic_text(rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.10:
        return " ".join(
            invented_word(rng) if rng.random() < 0.6 else rng.choice(S.FILLERS) for _ in range(rng.randint(1, 6))
        )
    if chance < 0.30:
        return hinted(S.OFF_TOPIC_THINGS + S.OFF_TOPIC_DEEDS, rng)
    text = expand(rng.choice(S.OFF_TOPIC_ASK), rng)
    text = text.replace("{thing}", off_topic_thing(rng))
    text = text.replace("{deed}", rng.choice(S.OFF_TOPIC_DEEDS))
    while "{number}" in text:
        text = text.replace("{number}", str(rng.randint(1, 99)), 1)
    return text


def question(subject: dict, rng: random.Random) -> str:
    """One way of asking about a subject; never a held-out one."""
    while True:
        if subject is S.OFF_TOPIC:
            text = write_out(wrap(off_topic_text(rng), "knowledge", rng), rng)
        elif "example" in subject and rng.random() < 0.06:
            text = subject["example"] if rng.random() < 0.7 else write_out(subject["example"], rng)
        else:
            if subject["id"] in S.HINTS and rng.random() < 0.2:
                text = hinted(S.HINTS[subject["id"]].split("|"), rng)
            else:
                text = expand(rng.choice(subject["ask"]), rng)
            text = write_out(rough_words(wrap(text, subject["kind"], rng), rng), rng)
        if not holds_held_out(text):
            return text


def answer(subject: dict, rng: random.Random) -> str:
    """An opening sentence and none to two more."""
    count = rng.choice([0, 1, 1, 1, 2])
    return " ".join([rng.choice(subject["open"]), *rng.sample(subject["more"], count)])


def some_subject(rng: random.Random) -> dict:
    chance = rng.random()
    if chance < 0.10:
        return S.OFF_TOPIC
    return rng.choice(MAIN) if chance < 0.85 else rng.choice(EXTRA)


def system_prompt(rng: random.Random) -> str:
    while True:
        chance = rng.random()
        if chance < 0.5:
            text = rng.choice(S.SYSTEM_PROMPTS)
        elif chance < 0.9:
            text = f"{rng.choice(['You are', 'You are', 'Act as', 'Be', 'Play', 'I want you to be'])} {rng.choice(S.SYSTEM_PARTS['role'])} {rng.choice(S.SYSTEM_PARTS['person'])}"
            if rng.random() < 0.3:
                text += rng.choice(
                    [
                        " of a small company",
                        " for beginners",
                        " who explains things",
                        " on a web site",
                        " named " + invented_word(rng).title(),
                        " at a school",
                    ]
                )
            text += "."
            for extra in rng.sample(S.SYSTEM_PARTS["extra"], rng.choice([0, 1, 1, 2])):
                text += " " + extra
        else:
            text = loose_text(rng)
        if not holds_held_out(text):
            return text


def loose_text(rng: random.Random) -> str:
    """A sentence without sense, as context that has to be ignored."""
    words = [rng.choice(S.FILLERS) if rng.random() < 0.7 else invented_word(rng) for _ in range(rng.randint(3, 12))]
    return " ".join(words).capitalize() + "."


def conversation(rng: random.Random) -> Conversation:
    """One to three turns, with a system prompt in about a third of them."""
    talk = Conversation(system_prompt(rng) if rng.random() < 0.35 else None)
    for _ in range(rng.choice([1, 1, 1, 1, 1, 2, 2, 2, 3])):
        subject = some_subject(rng)
        talk.turns.append(Turn(question(subject, rng), answer(subject, rng), subject=subject["id"]))
    for turn in talk.turns[:-1]:
        chance = rng.random()
        if chance < 0.15:
            turn.assistant, turn.learn = loose_text(rng), False
        elif chance < 0.25:
            turn.user, turn.learn = loose_text(rng), False
        elif chance < 0.35:
            turn.assistant, turn.learn = answer(some_subject(rng), rng), False
    return talk


def statement(rng: random.Random) -> str:
    """Plain text on one subject, without a question. Small talk is left out: it should be answered, not continued."""
    subject = some_subject(rng)
    while subject.get("kind") == "talk":
        subject = some_subject(rng)
    sentences = [rng.choice(subject["open"])] + rng.sample(subject["more"], rng.choice([0, 1, 2]))
    if rng.random() < 0.3:
        sentences.append(rng.choice(rng.choice(MAIN)["open"]))
    return " ".join(sentences)


def answer_words() -> list[str]:
    """Every word that an answer may hold, in lower case."""
    text = " ".join(" ".join(subject["open"] + subject["more"]) for subject in S.SUBJECTS + [S.OFF_TOPIC])
    return sorted({word.strip(".,!?:").lower() for word in text.split()})


def sentences_of_answers() -> set[str]:
    return {sentence for subject in S.SUBJECTS + [S.OFF_TOPIC] for sentence in subject["open"] + subject["more"]}


def write_questions() -> None:
    """Writes the machine-readable list of questions and the words that answers consist of."""
    keys = ("id", "subject", "example", "held_out", "keywords")
    record = {
        "questions": [{key: subject[key] for key in keys} for subject in MAIN],
        "off_topic": {"held_out": S.OFF_TOPIC_HELD_OUT, "keywords": S.OFF_TOPIC["keywords"]},
        "system_prompts": {"seen": S.SYSTEM_PROMPTS[:6], "held_out": S.SYSTEM_PROMPTS_HELD_OUT},
    }
    (MODELS_DIRECTORY / "questions.json").write_text(json.dumps(record, indent=2) + "\n")
    (MODELS_DIRECTORY / "words.txt").write_text("\n".join(answer_words()) + "\n")


def check_answers() -> None:
    """Fails when an opening sentence holds none of its subject's keywords."""
    for subject in S.SUBJECTS + [S.OFF_TOPIC]:
        for sentence in subject["open"]:
            if not any(keyword.lower() in sentence.lower() for keyword in subject["keywords"]):
                raise SystemExit(f"{subject['id']}: no keyword in {sentence!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="text file to write for the tokenizers")
    parser.add_argument("--count", type=int, default=20000, help="conversations in that file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    check_answers()
    write_questions()
    if options.corpus:
        rng = random.Random(options.seed)
        with options.corpus.open("w") as file:
            for _ in range(options.count):
                talk = conversation(rng)
                for text in [talk.system, *(text for turn in talk.turns for text in (turn.user, turn.assistant))]:
                    if text:
                        file.write(text + "\n")
                if rng.random() < 0.1:
                    file.write(statement(rng) + "\n")


if __name__ == "__main__":
    main()
