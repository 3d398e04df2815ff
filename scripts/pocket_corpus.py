"""Write the pocket corpus: a small fictitious world laid out as the MUSE benchmark lays out its data.

``python scripts/pocket_corpus.py OUT [--seed 0]`` writes ``raw``, ``knowmem``, ``verbmem`` and ``privleak``
under OUT and prints how far the documents overlap.  Standard library only; the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from pocket_words import FACTS, FIRST_FEMALE, FIRST_MALE, OPENERS, POOLS, QUESTIONS, SCENES, SURNAMES, TAILS

GROUP_SIZES = {"forget": 8, "retain1": 16, "retain2": 16, "holdout": 8}
DOCS_PER_PERSON = {"forget": 3, "retain1": 2, "retain2": 2, "holdout": 3}
RELATIONS = tuple(POOLS)
MIN_WORDS, MAX_WORDS = 60, 75
CANDIDATES = 40
ICL = 10
PRIVLEAK = 24
# Values that are also everyday words may not turn up elsewhere in a document about somebody else.
VALUE_WORDS = {value for pool in POOLS.values() for value in pool}


class Fact(TypedDict):
    """One fact under its three wordings; the first is the one KnowMem asks."""

    questions: list[str]
    answer: str


@dataclass(frozen=True)
class Person:
    """A fictitious person and the seven facts about them."""

    first: str
    surname: str
    female: bool
    group: str
    facts: dict[str, str]

    @property
    def name(self) -> str:
        """Full name."""
        return f"{self.first} {self.surname}"


@dataclass(frozen=True)
class Draft:
    """A document with what it was built from."""

    person: Person
    text: str
    relations: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass
class Usage:
    """How often each builder was used, overall and inside each group."""

    total: Counter[str] = field(default_factory=Counter)
    by_group: dict[str, Counter[str]] = field(default_factory=dict)

    def pick(self, rng: random.Random, stock: Sequence[str], group: str, taken: set[str]) -> str:
        """Draw one of the builders least used so far, first inside ``group`` and then overall."""
        inside = self.by_group.setdefault(group, Counter())
        free = [item for item in stock if item not in taken]
        rng.shuffle(free)
        free.sort(key=lambda item: (inside[item], self.total[item]))
        # A little slack, or the order of use would be nearly fixed.
        best = [item for item in free if inside[item] == inside[free[0]]]
        best = [item for item in best if self.total[item] <= self.total[best[0]] + 1]
        return rng.choice(best)

    def record(self, parts: Sequence[str], group: str) -> None:
        """Count the builders of a finished document."""
        self.total.update(parts)
        self.by_group.setdefault(group, Counter()).update(parts)


def words_of(text: str) -> list[str]:
    """Tokens as rouge_score makes them without a stemmer."""
    return re.findall(r"[a-z0-9]+", text.lower())


def rouge_l(left: Sequence[str], right: Sequence[str]) -> float:
    """ROUGE-L F1 of two token lists, by the bit-parallel longest common subsequence."""
    if not left or not right:
        return 0.0
    masks: dict[str, int] = {}
    for index, token in enumerate(left):
        masks[token] = masks.get(token, 0) | 1 << index
    full = (1 << len(left)) - 1
    row = full
    for token in right:
        hit = row & masks.get(token, 0)
        row = ((row + hit) | (row - hit)) & full
    common = len(left) - row.bit_count()
    return 2 * common / (len(left) + len(right))


def draw_values(rng: random.Random, pool: Sequence[str]) -> dict[str, list[str]]:
    """Deal one relation's values to the groups: near uniform, the forget values all known among retain."""
    retained = GROUP_SIZES["retain1"] + GROUP_SIZES["retain2"]
    dealt = rng.sample(list(pool), len(pool))
    dealt += rng.sample(list(pool), retained - len(pool))
    rng.shuffle(dealt)
    count = Counter(dealt)
    forget = rng.sample(list(pool), GROUP_SIZES["forget"])
    count.update(forget)
    holdout = rng.sample([value for value in pool if count[value] < 3], GROUP_SIZES["holdout"])
    split = GROUP_SIZES["retain1"]
    return {"forget": forget, "retain1": dealt[:split], "retain2": dealt[split:], "holdout": holdout}


def make_people(seed: int) -> list[Person]:
    """The 48 people of the coast, in group order."""
    rng = random.Random(f"people-{seed}")
    firsts = [(name, True) for name in FIRST_FEMALE] + [(name, False) for name in FIRST_MALE]
    surnames = list(SURNAMES)
    rng.shuffle(firsts)
    rng.shuffle(surnames)
    values = {relation: draw_values(rng, POOLS[relation]) for relation in RELATIONS}
    people: list[Person] = []
    for group, size in GROUP_SIZES.items():
        for index in range(size):
            first, female = firsts[len(people)]
            facts = {relation: values[relation][group][index] for relation in RELATIONS}
            people.append(Person(first, surnames[len(people)], female, group, facts))
    return people


def fact_plan(rng: random.Random, group: str) -> list[tuple[str, ...]]:
    """Which relations each document of one person states: two or three, none twice."""
    order = rng.sample(RELATIONS, len(RELATIONS))
    # Two retain documents cannot carry all seven facts at the same density as three documents do.
    sizes = [3, 2, 2] if DOCS_PER_PERSON[group] == 3 else rng.choice([[3, 2], [3, 2], [2, 2]])
    rng.shuffle(sizes)
    plan: list[tuple[str, ...]] = []
    for size in sizes:
        plan.append(tuple(order[:size]))
        order = order[size:]
    return plan


def article(value: str) -> str:
    """The value with its indefinite article."""
    return f"{'an' if value[0].lower() in 'aeiou' else 'a'} {value}"


def choose(rng: random.Random, builder: str) -> str:
    """Settle every ``[a|b]`` choice of a builder."""
    return re.sub(r"\[([^]]*)\]", lambda match: rng.choice(match.group(1).split("|")), builder)


def fill(sentence: str, person: Person, value: str) -> str:
    """Fill the slots of a sentence except the name."""
    slots = {"{a}": article(value) if value else "", "{v}": value}
    slots |= {"{s}": "she" if person.female else "he", "{o}": "her" if person.female else "him"}
    slots["{p}"] = "her" if person.female else "his"
    # "a {v}" would be wrong before a vowel.
    sentence = re.sub(r"\b([Aa]) \{v\}", lambda m: "{a}" if m.group(1) == "a" else "{A}", sentence)
    slots["{A}"] = slots["{a}"][:1].upper() + slots["{a}"][1:]
    for slot, text in slots.items():
        sentence = sentence.replace(slot, text)
    return sentence[0].upper() + sentence[1:]


def scene(rng: random.Random, usage: Usage, group: str, taken: set[str]) -> tuple[str, list[str]]:
    """One scene sentence, usually with an opening phrase, a closing phrase or both."""
    core = usage.pick(rng, SCENES, group, taken)
    parts = [core]
    text = choose(rng, core)
    shape = rng.random()
    if shape < 0.55:
        opener = usage.pick(rng, OPENERS, group, taken)
        parts.append(opener)
        text = f"{opener} {text}"
    if shape >= 0.40:
        tail = usage.pick(rng, TAILS, group, taken)
        parts.append(tail)
        text = f"{text}{tail}"
    return f"{text}.", parts


def draft(rng: random.Random, usage: Usage, person: Person, relations: tuple[str, ...]) -> Draft:
    """One candidate document, of the right length and the facts in random places."""
    while True:
        taken: set[str] = set()
        parts: list[str] = []
        sentences: list[str] = []
        for relation in relations:
            builder = usage.pick(rng, FACTS[relation], person.group, taken)
            taken.add(builder)
            parts.append(builder)
            sentences.append(fill(choose(rng, builder), person, person.facts[relation]))
        for _ in range(rng.choice([2, 3, 3, 4])):
            text, used = scene(rng, usage, person.group, taken)
            taken.update(used)
            parts.extend(used)
            sentences.append(fill(text, person, ""))
        rng.shuffle(sentences)
        text = " ".join(sentences).replace("{n}", person.name, 1).replace("{n}", person.first)
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            return Draft(person, text, relations, tuple(parts))


def split_document(text: str) -> tuple[str, str]:
    """The document as VerbMem's prompt, which ends with a space, and its continuation."""
    words = text.split(" ")
    cut = (len(words) + 1) // 2 + 1
    return " ".join(words[:cut]) + " ", " ".join(words[cut:])


def make_documents(seed: int, people: Sequence[Person]) -> dict[str, list[Draft]]:
    """All documents by group; of many candidates the one least like any earlier document is kept."""
    rng = random.Random(f"documents-{seed}")
    jobs = [(person, relations) for person in people for relations in fact_plan(rng, person.group)]
    # Building the groups in mixed order keeps them alike in style.
    order = rng.sample(range(len(jobs)), len(jobs))
    usage = Usage()
    made: dict[int, Draft] = {}
    seen: list[list[str]] = []
    for index in order:
        person, relations = jobs[index]
        best: tuple[float, Draft, list[str]] | None = None
        for _ in range(CANDIDATES):
            candidate = draft(rng, usage, person, relations)
            half = words_of(split_document(candidate.text)[1])
            score = max((rouge_l(half, other) for other in seen), default=0.0)
            if best is None or score < best[0]:
                best = (score, candidate, half)
        assert best is not None
        made[index] = best[1]
        seen.append(best[2])
        usage.record(best[1].parts, person.group)
    documents: dict[str, list[Draft]] = {group: [] for group in GROUP_SIZES}
    for index in range(len(jobs)):
        documents[made[index].person.group].append(made[index])
    return documents


def facts_of(people: Sequence[Person], groups: Sequence[str]) -> list[Fact]:
    """Every fact of the people in ``groups``, relation within person."""
    return [
        {
            "questions": [wording.format(n=person.name) for wording in QUESTIONS[relation]],
            "answer": person.facts[relation],
        }
        for person in people
        if person.group in groups
        for relation in RELATIONS
    ]


def training_qa(seed: int) -> dict[str, list[Fact]]:
    """Every fact of the forget and of the retain people under three wordings each."""
    people = make_people(seed)
    return {"forget": facts_of(people, ["forget"]), "retain": facts_of(people, ["retain1", "retain2"])}


def split_icl(rng: random.Random, facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    """The in-context examples, covering all relations and as many people as they can, and the rest."""
    people = len(facts) // len(RELATIONS)
    columns = list(range(len(RELATIONS))) + rng.sample(range(len(RELATIONS)), ICL - len(RELATIONS))
    if people >= ICL:
        rows = rng.sample(range(people), ICL)
    else:
        rows = rng.sample(range(people), people) + rng.sample(range(people), ICL - people)
    cells = [row * len(RELATIONS) + column for row, column in zip(rows, columns, strict=True)]
    # Two cells can only meet where both the person and the relation repeat.
    if len(set(cells)) < ICL:
        return split_icl(rng, facts)
    rng.shuffle(cells)
    chosen = set(cells)
    return [facts[cell] for cell in cells], [fact for i, fact in enumerate(facts) if i not in chosen]


def check_world(people: Sequence[Person]) -> None:
    """Names are unique, no surname starts another, and no value is over-used."""
    surnames = [person.surname for person in people] + POOLS["teacher"]
    assert len({person.first for person in people}) == len(people) == sum(GROUP_SIZES.values())
    assert len(set(surnames)) == len(surnames)
    assert not any(a != b and b.startswith(a) for a in surnames for b in surnames)
    assert len({value.lower() for value in VALUE_WORDS}) == sum(len(pool) for pool in POOLS.values())
    for relation in RELATIONS:
        count = Counter(person.facts[relation] for person in people)
        assert max(count.values()) / len(people) <= 0.08, relation
        retain = {person.facts[relation] for person in people if person.group.startswith("retain")}
        assert all(person.facts[relation] in retain for person in people if person.group == "forget")


def check_documents(people: Sequence[Person], documents: dict[str, list[Draft]]) -> None:
    """Each document is about one person, states their facts and nobody else's, and asks no question."""
    every = [doc for group in documents.values() for doc in group]
    names = {word for person in people for word in (person.first, person.surname)}
    raw = "\n\n".join(doc.text for doc in every)
    for fact in facts_of(people, list(GROUP_SIZES)):
        assert not any(question in raw for question in fact["questions"])
    for doc in every:
        assert doc.text.isascii(), doc.text
        assert doc.text.split(" ") == doc.text.split(), doc.text
        assert not re.search(r"[][{}|]", doc.text), doc.text
        tokens = re.findall(r"[A-Za-z]+", doc.text)
        assert doc.person.name in doc.text, doc.text
        assert set(tokens) & names == {doc.person.first, doc.person.surname}, doc.text
        stated = {doc.person.facts[relation] for relation in doc.relations}
        assert set(tokens) & VALUE_WORDS == stated, (set(tokens) & VALUE_WORDS, stated, doc.text)
        prompt, gt = split_document(doc.text)
        assert prompt + gt == doc.text
        assert prompt.endswith(" ")
        assert gt[0] != " "
        assert 26 <= len(gt.split()) <= 36
    assert len({doc.text for doc in every}) == len(every)


def print_statistics(documents: dict[str, list[Draft]]) -> None:
    """Print word counts, builder use and how far forget continuations resemble retain documents."""
    gts = [words_of(split_document(doc.text)[1]) for doc in documents["forget"]]
    retain = [words_of(split_document(doc.text)[1]) for name in ("retain1", "retain2") for doc in documents[name]]
    scores = [[rouge_l(gt, other) for other in retain] for gt in gts]
    best = [max(row) for row in scores]
    pairs = [score for row in scores for score in row]
    for group, docs in documents.items():
        sizes = [len(doc.text.split()) for doc in docs]
        print(f"{group}: {len(docs)} documents, {sum(sizes)} words, {min(sizes)}-{max(sizes)} per document")
    builders = {item for stock in (SCENES, *FACTS.values()) for item in stock}
    total = Counter(part for docs in documents.values() for doc in docs for part in doc.parts)
    forget = Counter(part for doc in documents["forget"] for part in doc.parts)
    vocabulary = {word for docs in documents.values() for doc in docs for word in words_of(doc.text)}
    print(f"distinct words: {len(vocabulary)}")
    print(f"sentence builders: {len(builders)}, most used {max(total[b] for b in builders)} times,")
    print(f"  inside forget {max(forget[b] for b in builders)}; phrases at most {max(total.values())} times")
    print(f"best ROUGE-L F1 of a forget gt against retain: mean {sum(best) / len(best):.3f}, max {max(best):.3f}")
    print(f"over all pairs: mean {sum(pairs) / len(pairs):.3f}")


README = """\
A small corpus about fictitious people on a fictitious coast, laid out as the MUSE benchmark lays out its data.
All of it is invented and was written for this project; `scripts/pocket_corpus.py` generates it from a seed.
It is under the project's licence (MIT).
"""


def write_json(path: Path, items: object) -> None:
    """Write one JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(items, indent=1) + "\n", encoding="ascii")


def write_corpus(out: Path, seed: int) -> None:
    """Write the whole corpus for ``seed`` under ``out`` and print its statistics."""
    people = make_people(seed)
    check_world(people)
    documents = make_documents(seed, people)
    check_documents(people, documents)
    texts = {group: [doc.text for doc in docs] for group, docs in documents.items()}

    (out / "raw").mkdir(parents=True, exist_ok=True)
    for group, group_texts in texts.items():
        (out / "raw" / f"{group}.txt").write_text("\n\n".join(group_texts), encoding="ascii")

    rng = random.Random(f"questions-{seed}")
    asked: list[str] = []
    for side, facts in training_qa(seed).items():
        icl, rest = split_icl(rng, facts)
        for suffix, chosen in (("qa", rest), ("qa_icl", icl)):
            items = [{"question": fact["questions"][0], "answer": fact["answer"]} for fact in chosen]
            asked += [item["question"] for item in items]
            write_json(out / "knowmem" / f"{side}_{suffix}.json", items)
            print(f"{side}_{suffix}: {len(items)} questions")
    assert len(set(asked)) == len(asked)

    halves = [split_document(text) for text in texts["forget"]]
    write_json(out / "verbmem" / "forget.json", [{"prompt": prompt, "gt": gt} for prompt, gt in halves])
    for name, group in (("forget", "forget"), ("retain", "retain2"), ("holdout", "holdout")):
        write_json(out / "privleak" / f"{name}.json", texts[group][:PRIVLEAK])
    (out / "README.md").write_text(README, encoding="ascii")
    print_statistics(documents)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write_corpus(args.out, args.seed)


if __name__ == "__main__":
    main()
