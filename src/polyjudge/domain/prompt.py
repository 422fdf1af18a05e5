"""The judge prompt: the frozen parts, and the instructions that a fit changes.

``revise`` is the only way to a new prompt. It replaces instructions, and demonstrations where a run chooses them, so
that the directive, the definitions and the output format stay byte-identical through a whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from polyjudge.codec import UNWRITTEN_AT_DEFAULT
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.prompt_template import PromptTemplate
from polyjudge.domain.records import Step


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A directive, the inputs' labels, the criteria with their instructions, and demonstrations.

    Attributes:
        task: the directive; frozen.
        inputs: (column, label); frozen.
        criteria: with the current instructions.
        reply_begins: the begun reply of the cloze scoring method; frozen.
        demonstrations: rated examples shown to the judge.
        template: the user's own prompt, in which only the instructions change; None: the prompt of this package.
        pair: the two inputs that are compared in both orders; None: none are.
    """

    task: str
    inputs: tuple[tuple[str, str], ...]
    criteria: tuple[Criterion, ...]
    reply_begins: str = ""
    demonstrations: tuple[Example, ...] = ()
    template: PromptTemplate | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)
    pair: tuple[str, str] | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)

    @classmethod
    def initial(cls, rubric: Rubric, demonstrations: tuple[Example, ...] = ()) -> JudgePrompt:
        pair = rubric.pair if rubric.order == "both" else None
        own = (rubric.reply_begins, demonstrations, rubric.template, pair)
        return cls(rubric.task, rubric.inputs, rubric.criteria, *own)

    @property
    def orders(self) -> int:
        """In how many orders an item is asked about."""
        return 1 if self.pair is None else 2

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    @property
    def instructions(self) -> dict[str, str]:
        """Criterion -> current instruction."""
        return {criterion.name: criterion.instruction for criterion in self.criteria}

    def revise(self, texts: Mapping[str, str], demonstrations: tuple[Example, ...] | None = None) -> JudgePrompt:
        """The same prompt with the named instructions, and the demonstrations unless they are None, replaced.

        Raises:
            ValueError: an unknown criterion or an empty text; an instruction is never dropped in silence.
        """
        unknown = sorted(set(texts) - set(self.names))
        if unknown:
            raise ValueError(f"no such criteria to revise: {unknown!r}; the prompt has {list(self.names)!r}")
        empty = sorted(name for name, text in texts.items() if not text.strip())
        if empty:
            raise ValueError(f"empty instructions for {empty!r}")
        revised = tuple(
            replace(criterion, instruction=texts.get(criterion.name, criterion.instruction))
            for criterion in self.criteria
        )
        shown = self.demonstrations if demonstrations is None else demonstrations
        return replace(self, criteria=revised, demonstrations=shown)

    def after(self, step: Step) -> JudgePrompt:
        """The prompt as a step left it.

        Raises:
            ValueError: the step fits a criterion that the prompt does not have.
        """
        return self.revise(step.instructions, step.demonstrations)

    def only(self, group: tuple[str, ...]) -> JudgePrompt:
        """The prompt reduced to some of its criteria, in the prompt's order.

        The user's own prompt keeps the instructions of the others as text.

        Raises:
            ValueError: a name that the prompt does not have.
        """
        if group == self.names:
            return self
        unknown = sorted(set(group) - set(self.names))
        if unknown:
            raise ValueError(f"no such criteria: {unknown!r}; the prompt has {list(self.names)!r}")
        others = [c for c in self.criteria if c.name not in group]
        return replace(
            self,
            criteria=tuple(c for c in self.criteria if c.name in group),
            template=self.template and self.template.fixed(others),
        )
