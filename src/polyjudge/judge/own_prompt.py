"""What the user's own prompt allows: which layouts can ask it, which scoring methods, and how its replies are read."""

from __future__ import annotations

from itertools import chain, takewhile

from polyjudge.domain.layout import Layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.prompt_template import COLUMN, DEMONSTRATIONS, FORMAT, OF_CRITERION, TEXT, Piece, PromptTemplate
from polyjudge.formatting.text import listed

OWN_QUESTION = "it asks a question in words of its own, and the prompt is yours (choose json, expected or reasoned)"
"""Why a scoring method without a place for the user's prompt is refused."""


def differs(piece: Piece) -> bool:
    """Whether a piece differs between the calls about an item; the instructions by name stand in each of them."""
    return piece.kind in (FORMAT, DEMONSTRATIONS) or (piece.kind in OF_CRITERION and not piece.value)


def item_first(template: PromptTemplate) -> bool:
    """Whether everything about the item stands before what differs between the calls about it."""
    shared = [*takewhile(lambda piece: not differs(piece), template.pieces)]
    return not any(piece.kind == COLUMN for piece in template.pieces[len(shared) :])


def layout_refusal(prompt: JudgePrompt, used: Layout) -> str:
    """Why the user's own prompt cannot be asked in a layout; "" when it can."""
    template = prompt.template
    if template is None:
        return ""
    if template.generic and any(len(group) > 1 for group in used.groups):
        return "the prompt has one {{ instruction }} for whichever criterion, and so asks for one in a call"
    if len(used.groups) > 1 and not (template.generic or template.holds(FORMAT)):
        return "the prompt has no {{ format }}, which says what a call is to answer, and so asks for all at once"
    if used.item_first and not item_first(template):
        return "the prompt does not show the whole item before what differs between the calls about it"
    return ""


def reply_refusal(prompt: JudgePrompt, *, held: bool) -> str:
    """Why replies to the user's own prompt could not be read; "" when they can.

    Args:
        prompt: over the criteria of a call.
        held: whether the endpoint holds replies to a JSON schema.
    """
    template = prompt.template
    if template is None or held or template.holds(FORMAT) or len(prompt.criteria) == 1:
        return ""
    text = "".join(piece.value for piece in template.pieces if piece.kind == TEXT).casefold()
    unnamed = [name for name in prompt.names if name.casefold() not in text]
    if not unnamed:
        return ""
    return (
        f"the prompt never says how to name {listed(map(repr, unnamed))} in a reply, and the endpoint holds replies "
        f"to no JSON schema; put {{{{ format }}}} where the reply is asked for"
    )


def notes(prompt: JudgePrompt) -> tuple[str, ...]:
    """What a user should know of an own prompt before it is asked."""
    template = prompt.template
    if template is None:
        return ()
    found: list[str] = []
    if not template.holds(FORMAT):
        lone = ", or the value alone" if len(prompt.criteria) == 1 else ""
        found.append(
            f"the prompt has no {{{{ format }}}}: a reply must be a JSON object of {', '.join(prompt.names)}{lone}. "
            f"The prompt has to say so itself, unless the endpoint holds replies to a JSON schema, which leaves no "
            f"room for other keys (structured = false in the settings file lets the prompt's own form stand)"
        )
    unshown = [one.name for one in prompt.criteria if one.levels and not template.holds("levels")]
    if unshown:
        found.append(
            f"the prompt shows the judge no levels of {listed(unshown)}; write {{{{ levels:NAME }}}} where they belong"
        )
    return tuple(found)


def shared(template: PromptTemplate) -> tuple[Piece, ...]:
    """The pieces of the first message that all calls about an item have in common at its beginning."""
    first = chain(template.messages[0].pieces)
    return tuple(takewhile(lambda piece: not differs(piece), first))
