"""How the ratings of `briefs` become known: written notes, four damaging operators, one balanced design.

Each operator spoils one criterion by a severity from 0 to 4 and leaves the other three alone; the rating is 5
minus the severity. The operators run in the order relevance, consistency, coherence, fluency, because each works
on what the one before it has left.
"""
