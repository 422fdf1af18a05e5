"""The data sets of simulated worlds: invented words, rated by the qualities that a simulated judge looks for.

Ratings come from the texts themselves: the qualities of an item are drawn from its text, here and in the judge, so
that no table has to pass between them.
"""

from __future__ import annotations

from polyjudge.datasets.summeval import DEFINITIONS
from polyjudge.domain.criterion import Criterion, default_instruction
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import Ordinal
from polyjudge.testing.simulation.rules import Latents, edges, level
from polyjudge.testing.simulation.words import sentence
from polyjudge.testing.simulation.world import Stream, World, normal, read_world, seeded

_SCALE = Ordinal(1, 5)
_NOTE = "SIMULATED: texts are invented words and ratings come from a world's parameters; nobody rated anything"


def default() -> Dataset:
    """SIMULATED: the world in which both failure modes were put in (made when asked for).

    Written for this package. Summaries and documents are invented words; simulated raters rate the qualities that are
    drawn from each text by a seed. It tests software and error rates: nothing of it says anything about a model or
    about people. The document is the document. Licence MIT.

    Sizes: 640 summaries of 80 documents, eight each; a split train (20 documents) and test (60); three raters.

    Columns: document, summary (the inputs); the ratings of the raters are in no file.

    Criteria: fluency, relevance, coherence, consistency, each a whole number 1 - 5.

    Files: worlds/default.toml in the installed package (polyjudge/testing/simulation); see docs/simulation.md.
    """
    return simulated("default")


def null() -> Dataset:
    """SIMULATED: the world in which there is nothing to be found (made when asked for).

    Written for this package. Summaries and documents are invented words; simulated raters rate the qualities that are
    drawn from each text by a seed. It tests software and error rates: nothing of it says anything about a model or
    about people. The document is the document. Licence MIT.

    Sizes: 640 summaries of 80 documents, eight each; a split train (20 documents) and test (60); three raters.

    Columns: document, summary (the inputs); the ratings of the raters are in no file.

    Criteria: fluency, relevance, coherence, consistency, each a whole number 1 - 5.

    Files: worlds/null.toml in the installed package (polyjudge/testing/simulation); see docs/simulation.md.
    Items and ratings are those of simulated/default.
    """
    return simulated("null")


def joint_helps() -> Dataset:
    """SIMULATED: the world in which judging criteria together helps (made when asked for).

    Written for this package. Summaries and documents are invented words; simulated raters rate the qualities that are
    drawn from each text by a seed. It tests software and error rates: nothing of it says anything about a model or
    about people. The document is the document. Licence MIT.

    Sizes: 640 summaries of 80 documents, eight each; a split train (20 documents) and test (60); three raters.

    Columns: document, summary (the inputs); the ratings of the raters are in no file.

    Criteria: fluency, relevance, coherence, consistency, each a whole number 1 - 5.

    Files: worlds/joint-helps.toml in the installed package (polyjudge/testing/simulation); see docs/simulation.md.
    Items and ratings are those of simulated/default.
    """
    return simulated("joint-helps")


def simulated(name: str) -> Dataset:
    """The data set of a shipped world or of a world's file.

    Raises:
        ConfigError: no such world, or a parameter that cannot be used.
    """
    return dataset_of(read_world(name))


def dataset_of(world: World) -> Dataset:
    """A world's own data set, shaped like SummEval: the document is the group, and the parts train and test are named
    for the paper's protocol."""
    data = world.data
    latents, bounds = Latents(world), edges(len(_SCALE.levels))
    examples: list[Example] = []
    splits: list[str] = []
    for number in range(1, data.documents + 1):
        stream = Stream(world.seed, "document", number)
        document = f"SIMULATED document {number}. " + " ".join(sentence(stream, 6 + stream.below(6)) for _ in range(3))
        for index in range(1, data.summaries + 1):
            texts = (document, " ".join(sentence(stream, 5 + stream.below(5)) for _ in range(2)))
            item = latents.item(texts)
            ratings = {}
            for name in data.criteria:
                quality, _ = latents.of(item, texts, name)
                opinions = [
                    quality + data.disagreement * normal(seeded(item.seed, "rater", rater, name))
                    for rater in range(data.raters)
                ]
                ratings[name] = tuple(_SCALE.levels[level(value, bounds)] for value in opinions)
            inputs = {"document": texts[0], "summary": texts[1]}
            examples.append(Example(f"d{number}-s{index}", inputs, f"d{number}", ratings))
            splits.append("train" if number <= data.train else "test")
    source = f"the simulated world {world.name!r}"
    return Dataset(f"simulated-{world.name}", source, _rubric(world), tuple(examples), tuple(splits), (_NOTE,), True)


def _rubric(world: World) -> Rubric:
    criteria = tuple(
        Criterion(
            name,
            _SCALE,
            DEFINITIONS.get(name, f"How strong is the {name.replace('_', ' ')} of the summary?"),
            default_instruction(_SCALE),
            tuple(f"{name}_{rater}" for rater in range(1, world.data.raters + 1)),
        )
        for name in world.data.criteria
    )
    inputs = (("document", "Document"), ("summary", "Summary"))
    return Rubric("Evaluate the summary of the document.", inputs, criteria, document="document_id", id="id")
