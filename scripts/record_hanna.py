"""Write the recorded scores that come with the package from HANNA's published numbers.

    python scripts/record_hanna.py FOLDER

FOLDER holds ratings.csv (id, document, CRITERION_a, _b, _c) and scores.parquet (id, judge, prompt, one column a
criterion). Scores are kept as whole ten-thousandths, so that the file is small.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

TARGET = Path(__file__).parents[1] / "src" / "polyjudge" / "datasets" / "shipped" / "hanna" / "scores.npz"
CRITERIA = ("relevance", "coherence", "empathy", "surprise", "engagement", "complexity")
RATERS = "abc"
# What a score is stored as, in ten-thousandths; 0 = unscored.
UNIT = 10_000


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Everything that the file holds: judges (J), documents (n), ratings (n, K, R), scores (J, n, K), criteria (K)."""
    rated = pd.read_csv(folder / "ratings.csv")
    scored = pd.read_parquet(folder / "scores.parquet")
    judges = scored["judge"].astype(str) + "/" + scored["prompt"].astype(str)
    names = sorted(judges.unique())
    values = np.zeros((len(names), len(rated), len(CRITERIA)), dtype=np.uint16)
    for number, name in enumerate(names):
        rows = scored[judges == name].set_index("id")[list(CRITERIA)].reindex(rated["id"])
        values[number] = np.nan_to_num(np.round(rows.to_numpy(float) * UNIT)).astype(np.uint16)
    ratings = np.stack(
        [rated[[f"{name}_{rater}" for rater in RATERS]].to_numpy(np.uint8) for name in CRITERIA], axis=1
    )
    return {
        "criteria": np.array(CRITERIA),
        "documents": rated["document"].to_numpy(str),
        "ids": rated["id"].to_numpy(str),
        "judges": np.array(names),
        "ratings": ratings,
        "scores": values,
    }


def packed(content: dict[str, np.ndarray]) -> bytes:
    """The arrays as .npz of fixed dates, so that equal content gives equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in sorted(content.items()):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return target.getvalue()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    content = packed(arrays(Path(sys.argv[1])))
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
