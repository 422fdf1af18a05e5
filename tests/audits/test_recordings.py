"""The recorded scores that come with the package are the published ones."""

import hashlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import polyjudge as pj
from polyjudge.audits.recordings import UNIT, hanna
from polyjudge.audits.sources import read_scores
from polyjudge.errors import ConfigError, InputError

SCORES = "706ec46583eeb6aef6cfbd1950b653430ba217e72a19c7c4294a2ade362590b4"
RATINGS = "cae5d1538493ab6eb69b0e402c2cb19390360a90e5d7a59753106de024d3b71b"
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "hanna"


def test_they_are_whole():
    table = hanna()
    assert (len(table.ids), len(table.criteria), len(table.judgements), table.rows.n_units) == (1056, 6, 20, 96)
    scores = np.array([judgement.scores for judgement in table.judgements])
    assert hashlib.sha256(np.nan_to_num(np.round(scores * UNIT)).astype("<u2").tobytes()).hexdigest() == SCORES
    ratings = np.stack(table.rows.raters, axis=1).astype("u1")
    assert hashlib.sha256(ratings.tobytes()).hexdigest() == RATINGS
    assert np.nanmin(scores) >= 1
    assert np.nanmax(scores) <= 5
    assert np.isnan(scores).mean() < 0.01


@pytest.mark.skipif(not (PUBLISHED / "scores.parquet").exists(), reason="the published numbers are not at hand")
def test_the_script_makes_the_file_that_is_shipped():
    pytest.importorskip("pandas")
    script = import_module("record_hanna")
    made = script.arrays(PUBLISHED)
    with np.load(script.TARGET, allow_pickle=False) as shipped:
        assert set(made) == set(shipped.files)
        for name, array in made.items():
            np.testing.assert_array_equal(array, shipped[name])


def test_an_audit_reads_them_by_name():
    table = read_scores(["hanna"])
    assert table.names == hanna().names
    with pytest.raises(ConfigError, match="'hanna' have criteria of their own"):
        pj.audit("hanna", criteria={"criteria": [{"name": "a", "scale": [1, 5]}]})


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("hanna").write_text("id,tone,tone_a\n1,2,3\n")
    with pytest.raises(InputError, match=r"hanna: .*\.csv"):
        read_scores("hanna")
