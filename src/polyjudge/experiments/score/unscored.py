"""When too many scores are unreadable to go on: ``--fail-on-error 0|SHARE|COUNT``."""

from __future__ import annotations

from polyjudge.errors import TooManyUnscored


def check_unscored(missing: int, total: int, limit: float | None, where: str) -> None:
    """Compare unreadable scores with what the user allows: None = any, below 1 a share of all, from 1 on a count.

    Raises:
        TooManyUnscored: there are more; ``where`` names the rows.
    """
    if limit is None or not total:
        return
    allowed = limit if limit >= 1 else limit * total
    if missing > allowed:
        raise TooManyUnscored(
            f"{missing} of {total} scores of {where} are unreadable, more than --fail-on-error {limit:g} allows; "
            f"look at the replies, or try another --scoring or model"
        )
