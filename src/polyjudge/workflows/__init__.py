"""The verbs from files to files: optimize, check, score, diagnose, audit and study, and what they share."""
