"""Write the ratings of the shipped data set `briefs` anew from its written notes, byte for byte the same."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from briefs.build import ratings_csv
from briefs.consistency import Infeasible
from briefs.source import SourceError, load_notes

FOLDER = Path(__file__).resolve().parent.parent / "src" / "polyjudge" / "datasets" / "shipped" / "briefs"


def main(arguments: list[str] | None = None) -> int:
    """Write `ratings.csv`, or with `--check` only compare it: 0 fine, 1 it differs, 2 the notes are at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when ratings.csv differs")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where notes.yaml and ratings.csv are")
    options = parser.parse_args(arguments)
    try:
        content = ratings_csv(load_notes(options.folder / "notes.yaml"))
    except (OSError, SourceError, Infeasible) as error:
        print(f"notes.yaml: {error}", file=sys.stderr)
        return 2
    target = options.folder / "ratings.csv"
    if not options.check:
        target.write_bytes(content)
        return 0
    if target.is_file() and target.read_bytes() == content:
        return 0
    print(f"{target} is not what the notes give; run python scripts/make_briefs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
