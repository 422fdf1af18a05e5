"""Coherence: sentences leave their order, false links join them, and pronouns lose what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from random import Random

from briefs.chance import pick, shuffled
from briefs.consistency import Claim, Infeasible
from briefs.source import Entity, Fact
from briefs.words import Word, inner_head, inner_name, to_words

# Each claims a relation to the sentence before it that the notes never have, and opens no text.
LINKS = (
    "For example,",
    "In other words,",
    "Conversely,",
    "By the same logic,",
    "To put it differently,",
    "As in the other case,",
)
# Each contradicts itself.
CLASHES = (
    "However, therefore,",
    "Firstly, on the contrary,",
    "For example, finally,",
    "In other words, secondly,",
    "By contrast, similarly,",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one severity does: sentences out of place, false links, clashing links, orphaned pronouns."""

    moved: int
    links: int
    clashes: int
    orphans: int


PLANS = (Plan(0, 0, 0, 0), Plan(0, 1, 0, 0), Plan(1, 1, 0, 1), Plan(2, 2, 0, 1), Plan(2, 2, 2, 2))


@dataclass(frozen=True, slots=True)
class Flow:
    """The sentences as written down; `order[i]` is the place that the i-th of them had in reading order."""

    sentences: tuple[tuple[Word, ...], ...]
    order: tuple[int, ...]
    links: tuple[str, ...]
    orphans: int


@dataclass(frozen=True, slots=True)
class Layout:
    """`order[i]` is the place in reading order of the i-th sentence; `orphans` are places in the new order."""

    order: tuple[int, ...]
    orphans: tuple[int, ...]


def connect(claims: tuple[Claim, ...], severity: int, rng: Random) -> Flow:
    """Write `claims` down with the breaks that `PLANS[severity]` asks for.

    Raises:
        Infeasible: too few sentences can lose what their pronoun stands for.
    """
    plan = PLANS[severity]
    entities = [claim.sentence.entity for claim in claims]
    layout = pick(rng, _layouts(entities, plan))
    names = _names(entities, layout)
    links = _links(len(claims), plan, rng)
    sentences = tuple(_write(claims[index], names[index], links[place]) for place, index in enumerate(layout.order))
    return Flow(sentences, layout.order, tuple(link for link in links if link), len(layout.orphans))


def moves(order: tuple[int, ...]) -> int:
    """The fewest sentences that must be taken out and put back elsewhere to restore reading order."""
    longest = 0
    for length in range(1, len(order) + 1):
        if any(list(kept) == sorted(kept) for kept in combinations(order, length)):
            longest = length
    return len(order) - longest


def _layouts(entities: list[Entity | None], plan: Plan) -> list[Layout]:
    """Every layout with the moves and orphans of `plan`; of these, those that hide the fewest entities."""
    layouts = [
        Layout(order, orphans)
        for order in permutations(range(len(entities)))
        if moves(order) == plan.moved
        for orphans in combinations(range(len(order)), plan.orphans)
        if all(_is_lost(place, order, orphans, entities) for place in orphans)
    ]
    if not layouts:
        raise Infeasible(f"no order of {entities!r} leaves {plan.orphans} pronouns without a noun")
    fewest = min(_hidden(entities, layout) for layout in layouts)
    layouts = [layout for layout in layouts if _hidden(entities, layout) == fewest]
    return [layout for layout in layouts if 0 in layout.orphans] or layouts


def _hidden(entities: list[Entity | None], layout: Layout) -> int:
    """How many entities are spoken of by an orphaned pronoun only, so that a reader cannot know them."""
    orphaned = {layout.order[place] for place in layout.orphans}
    named = {entity for index, entity in enumerate(entities) if index not in orphaned}
    return len({entities[index] for index in orphaned} - named)


def _names(entities: list[Entity | None], layout: Layout) -> list[str]:
    """What each sentence calls its entity: in full where reading order has it first, then in short, or a pronoun."""
    orphaned = {layout.order[place] for place in layout.orphans}
    before = dict(zip(layout.order[1:], layout.order, strict=False))
    names = []
    told: set[Entity] = set()
    for index, entity in enumerate(entities):
        if entity is None:
            names.append("")
            continue
        previous = before.get(index)
        follows = previous is not None and entities[previous] == entity and previous not in orphaned
        if index in orphaned or (follows and entity in told):
            names.append(entity.pronoun)
            continue
        names.append(entity.short if entity in told else entity.full)
        told.add(entity)
    return names


def _is_lost(place: int, order: tuple[int, ...], orphans: tuple[int, ...], entities: list[Entity | None]) -> bool:
    """Whether a pronoun at `place` points at nothing; pointing at the wrong thing would be a false fact."""
    entity = entities[order[place]]
    if entity is None:
        return False
    if place == 0:
        return True
    before = entities[order[place - 1]]
    if place - 1 in orphans or before is None:
        return True
    return before.pronoun != entity.pronoun


def _links(count: int, plan: Plan, rng: Random) -> list[str]:
    """A link or nothing for each of `count` places; a lone link avoids the opening."""
    free = [place for place in range(count) if plan.clashes or place > 0]
    places = shuffled(rng, free)[: plan.links + plan.clashes]
    chosen = shuffled(rng, CLASHES)[: plan.clashes] + shuffled(rng, LINKS)[: plan.links]
    by_place = dict(zip(places, chosen, strict=True))
    return [by_place.get(place, "") for place in range(count)]


def _write(claim: Claim, name: str, link: str) -> tuple[Word, ...]:
    pieces: list[tuple[str, bool]] = [(link + " ", True)] if link else []
    values = iter(claim.values)
    for part in claim.sentence.parts:
        inside = bool(pieces)
        if isinstance(part, Entity):
            pieces.append((inner_name(name) if inside else name, False))
            continue
        text = next(values) if isinstance(part, Fact) else part
        after_link = inside and len(pieces) == 1 and bool(link)
        pieces.append((inner_head(text) if after_link else text, isinstance(part, Fact)))
    return to_words(pieces)
