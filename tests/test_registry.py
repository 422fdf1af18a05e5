"""Names become objects: every row of every table leads somewhere, and a wrong name lists the right ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from polyjudge import registry
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import ConfigError

ROWS = [(kind, name) for kind, table in registry.TABLES.items() for name in table]


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=[f"{kind}-{name}" for kind, name in ROWS])
def test_every_row_leads_to_something_that_can_be_called(kind: str, name: str) -> None:
    found = registry.lookup(kind, name)
    assert callable(found)
    assert found.__doc__
    if kind == "metrics":
        assert found.name == name
        assert found.description
    else:
        assert found.__module__ == registry.TABLES[kind][name].partition(":")[0]


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=[f"{kind}-{name}" for kind, name in ROWS])
def test_every_row_is_among_the_names(kind: str, name: str) -> None:
    assert name in registry.names(kind)
    assert len(set(registry.names(kind))) == len(registry.names(kind))


def test_scoring_methods_call_themselves_by_their_row() -> None:
    prompt = JudgePrompt("Judge.", (("text", "Text"),), (Criterion("a", Ordinal(1, 5), words=("angry",)),))
    for name in registry.TABLES["scoring"]:
        assert registry.lookup("scoring", name).of(prompt, True).name == name


@pytest.mark.parametrize("kind", registry.TABLES)
@pytest.mark.parametrize("name", ["", "no-such-thing", "os:system", "../x"])
def test_an_unknown_name_lists_those_that_exist(kind: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.lookup(kind, name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in registry.TABLES[kind])


def test_the_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        registry.TABLES["optimizers"]["mine"] = "my:Optimizer"


PLUGIN = """
from polyjudge import registry
print(registry.names("optimizers"))
print(registry.lookup("optimizers", "mine"))
print(registry.lookup("optimizers", "textgrad").__module__)
"""


def test_an_installed_plug_in_adds_a_row_and_replaces_none(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("Mine = 'my optimizer'\n")
    distribution = tmp_path / "mine-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text("[polyjudge.optimizers]\nmine = mine:Mine\ntextgrad = mine:Mine\n")
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path(registry.__file__).parents[1])!r}]\n"
    done = subprocess.run(
        [sys.executable, "-c", path + PLUGIN], capture_output=True, text=True, check=True, timeout=60
    )
    names, found, own = done.stdout.splitlines()
    assert (names, found, own) == (
        str((*registry.TABLES["optimizers"], "mine")),
        "my optimizer",
        "polyjudge.optimizers.textgrad",
    )


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(registry.__file__).parents[1])!r})\n"
        "from polyjudge import registry\n"
        "rows = {path.partition(':')[0] for table in registry.TABLES.values() for path in table.values()}\n"
        "print(sorted(rows & set(sys.modules)))\n"
        "registry.lookup('optimizers', 'textgrad')\n"
        "print(sorted(rows & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "['polyjudge.optimizers.textgrad']"]
