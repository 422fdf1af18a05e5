"""Bradley-Terry strengths of systems from comparisons: the odds that A beats B are exp(strength A - strength B).

They are fitted by the MM algorithm of Hunter (2004, "MM algorithms for generalized Bradley-Terry models"). A tie is
half a win for each. Each system is also taken to have tied once with an average one, without which a system that never
lost would be infinitely strong.
"""

from __future__ import annotations

import numpy as np

from polyjudge.metrics.levels import Indices, Matrix, Vector

_STEPS = 500
_CLOSE = 1e-9


def wins_of(outcomes: Vector, first: Indices, second: Indices, n_systems: int, weights: Vector) -> Matrix:
    """How often each system beat each other one, (S, S), ties as halves.

    Args:
        outcomes: (n,) 0 = the first is better, 1 = the second, anything else a tie, NaN = no comparison.
        first: (n,) the first system among S.
        second: (n,) the second one.
        n_systems: S.
        weights: (n,) how often each comparison counts.
    """
    wins = np.zeros((n_systems, n_systems))
    known = ~np.isnan(outcomes) & (first != second)
    for_first = np.where(outcomes == 0, 1.0, np.where(outcomes == 1, 0.0, 0.5))
    np.add.at(wins, (first[known], second[known]), (weights * for_first)[known])
    np.add.at(wins, (second[known], first[known]), (weights * (1 - for_first))[known])
    return wins


def strengths(wins: Matrix) -> Vector:
    """The strengths (S,) of systems by their wins (S, S), mean 0; NaN for a system without a comparison."""
    games = wins + wins.T
    played = games.sum(axis=1) > 0
    if not played.any():
        return np.full(len(wins), np.nan)
    games, won = games[np.ix_(played, played)], wins[np.ix_(played, played)].sum(axis=1) + 0.5
    skill = np.ones(len(won))
    for _ in range(_STEPS):
        before = skill
        met = (games / (skill[:, None] + skill)).sum(axis=1) + 1 / (skill + 1)
        skill = won / met
        if np.abs(np.log(skill / before)).max() < _CLOSE:
            break
    found = np.full(len(wins), np.nan)
    found[played] = np.log(skill) - np.log(skill).mean()
    return found
