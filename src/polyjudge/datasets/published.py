"""Where the data sets that are not shipped are published, under which licence, and what their files must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from polyjudge.datasets import brighter, summeval

HUB = "https://huggingface.co/"
_PAPER = "https://github.com/ARDivekar/PromptMOO/raw/1a4521a/expt/"


@dataclass(frozen=True, slots=True)
class Published:
    """A data set as its authors publish it.

    Attributes:
        licence: a sentence for the user to read before anything is fetched.
        addresses: part -> the file's address.
        digests: part -> sha256 of the file; a part that is not named has an unknown one.
        gate: the page on which a user accepts the terms; "" when there is none.
    """

    licence: str
    addresses: Mapping[str, str]
    digests: Mapping[str, str]
    gate: str = ""


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "summeval": Published(
            "ratings of SummEval under MIT; the articles are CNN/DailyMail's and belong to their publishers: keep "
            "them out of anything that you publish",
            {part: f"{_PAPER}SummEval/SummEval-{part}.parquet" for part in summeval.DIGESTS},
            summeval.DIGESTS,
        ),
        "brighter": Published(
            "CC BY 4.0; name Muhammad et al. 2025, arXiv 2502.11926",
            {part: f"{_PAPER}BRIGHTER/BRIGHTER-{part}.parquet" for part in brighter.DIGESTS},
            brighter.DIGESTS,
        ),
        "wildguard": Published(
            "ODC-BY, behind an agreement that you accept at the source; it holds harmful texts",
            {
                part: f"{HUB}datasets/allenai/wildguardmix/resolve/main/{part}/wildguard_{part}.parquet"
                for part in ("train", "test")
            },
            MappingProxyType({}),
            f"{HUB}datasets/allenai/wildguardmix",
        ),
    }
)
