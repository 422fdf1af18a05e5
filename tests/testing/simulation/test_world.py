"""Parameters are read strictly, and a world's digest stands for all of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from polyjudge.errors import ConfigError
from polyjudge.testing.simulation.world import NAMES, read_world, world_of


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_worlds_share_seed_and_truth_and_so_their_items(name: str) -> None:
    found, base = read_world(name), read_world("default")
    assert found.name == name
    assert (found.seed, found.data, found.truth) == (base.seed, base.data, base.truth)


def test_in_the_null_world_every_mechanism_is_off() -> None:
    found = read_world("null")
    assert (found.rules.gain, found.rules.harm) == (0, 0)
    assert set(asdict(found.interference).values()) == {0}
    assert (found.dilution.shared, found.dilution.delta) == (0, 0)


def test_a_file_holds_what_differs_from_its_base(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "joint-helps"\nseed = 7\n[interference]\ngamma = 1\n')
    found, base = read_world("mine.toml", tmp_path), read_world("joint-helps")
    assert (found.name, found.seed) == ("mine", 7)
    assert found.interference.gamma == 1
    assert (found.interference.contrast, found.judge) == (base.interference.contrast, base.judge)


def test_the_digest_hangs_on_every_parameter_and_not_on_the_name() -> None:
    base = read_world("default")
    content = asdict(base)
    del content["name"]
    again = world_of(
        {
            **content,
            "rules": {**content["rules"], "words": list(base.rules.words)},
            "data": {**content["data"], "criteria": list(base.data.criteria)},
        },
        "other",
        "here",
    )
    assert again.digest == base.digest
    digests = {base.digest}
    for table, values in content.items():
        if not isinstance(values, dict):
            continue
        for key, value in values.items():
            if isinstance(value, tuple):
                changed: object = list(value[::-1]) if key == "criteria" else [1, 2]
            else:
                changed = value + 1 if isinstance(value, int) else (0.3 if value != 0.3 else 0.4)
            digests.add(world_of({"base": "default", table: {key: changed}}, "w", "here").digest)
    assert len(digests) == 1 + sum(len(values) for values in content.values() if isinstance(values, dict))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = ", "not valid TOML"),
        ('base = "nowhere"', "base is 'nowhere'"),
        ("seed = 1", "[data] is missing"),
        ('base = "default"\nspeed = 1', "unknown key 'speed'"),
        ('base = "default"\nseed = 1.5', "seed is 1.5"),
        ('base = "default"\n[interference]\nbeta = 1', "unknown key interference.beta"),
        ('base = "default"\n[interference]\ngamma = "much"', "interference.gamma is 'much'"),
        ('base = "default"\n[interference]\nhalo = 1.5', "interference.halo is 1.5"),
        ('base = "default"\n[judge]\nfidelity = true', "judge.fidelity is True"),
        ('base = "default"\n[judge]\ncall = nan', "judge.call is nan"),
        ('base = "default"\n[dilution]\nslots = 2.5', "dilution.slots is 2.5"),
        ('base = "default"\n[rules]\nwords = [9, 3]', "rules.words is [9, 3]"),
        ('base = "default"\n[data]\ncriteria = []', "data.criteria is []"),
        ('base = "default"\n[data]\ncriteria = ["a", "a"]', "names one twice"),
        ('base = "default"\n[data]\ntrain = 80', "data.train (80) must be below"),
        ('base = "default"\ninterference = 3', "the table [interference] is missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "w.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_world("w.toml", tmp_path)
    assert said in str(caught.value)
    assert "w.toml" in str(caught.value) or "base" in text


@pytest.mark.parametrize("name", ["nowhere", "", "no-such-file.toml", "default.yaml"])
def test_an_unknown_world_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="world"):
        read_world(name, tmp_path)
