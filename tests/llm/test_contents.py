"""Looking into a journal's folder: everything is counted, nothing is changed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.llm.filling import fill, shard_of_its_own

from polyjudge.llm.contents import contents
from polyjudge.llm.locks import FileLock


def test_show_counts_by_model_and_role_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, {1: "a", 2: "b"})
    shard_of_its_own(tmp_path, {3: "c"}, role="loss", model="other")
    (tmp_path / "shard-0007.sqlite.corrupt").write_bytes(b"broken")
    (tmp_path / "shard-0009.sqlite").write_bytes(b"broken too" * 99)
    before = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(("-shm", "-wal")))
    lock = FileLock(tmp_path / "shard-0002.lock")
    assert lock.take()
    found = contents(tmp_path)
    lock.close()
    assert [(one.role, one.model, one.entries) for one in found.kept] == [("judge", "m", 2), ("loss", "other", 1)]
    assert found.entries == 3
    assert found.in_use == ("shard-0002.sqlite",)
    assert found.aside == ("shard-0007.sqlite.corrupt",)
    assert [name.partition(":")[0] for name in found.unreadable] == ["shard-0009.sqlite"]
    assert found.oldest is not None
    assert time.time() - 60 < found.oldest <= (found.newest or 0) <= time.time()
    # SQLite itself lays two files beside one that is read.
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(("-shm", "-wal"))) == before
