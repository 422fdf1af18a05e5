"""``polyjudge audit`` as it is typed."""

import json

from tests.audits.judged import judged, write_wide
from tests.commands import polyjudge


def test_an_audit_is_printed_and_written(tmp_path):
    file = write_wide(tmp_path / "scores.csv", judged(documents=10))
    ended = polyjudge("audit", file, "--output", tmp_path / "audit.md")
    assert ended.code == 0
    assert (tmp_path / "audit.md").read_text() == ended.out
    for words in ("# Audit of", "Krippendorff's alpha", "## Agreement", "## Bias", "## Halo", "Interference: good"):
        assert words in ended.out


def test_a_gate_that_fails_leaves_with_100_after_the_audit(tmp_path):
    file = write_wide(tmp_path / "scores.csv", judged(documents=10))
    ended = polyjudge("audit", file, "--fail-under", "spearman=0.99", "--json")
    assert ended.code == 100
    assert json.loads(ended.out)["items"] == 40
    assert "mean spearman" in ended.err
    assert polyjudge("audit", file, "--fail-under", "spearman=-1").code == 0


def test_a_file_that_is_read_is_not_written_over(tmp_path):
    file = write_wide(tmp_path / "scores.csv", judged(documents=6))
    before = file.read_bytes()
    for target, words in (
        (file, "it is read from too"),
        (tmp_path, "it is no file"),
        (tmp_path / "no" / "x", "folder"),
    ):
        ended = polyjudge("audit", file, "--output", target)
        assert (ended.code, words in ended.err, file.read_bytes()) == (2, True, before)


def test_files_of_one_name_are_judges_by_their_folders(tmp_path):
    files = [tmp_path / name / "scores.csv" for name in ("v1", "v2")]
    for n, file in enumerate(files):
        file.parent.mkdir()
        rows = [f"{i},{i * (3 + 4 * n) % 5 + 1},{i * 3 % 5 + 1}" for i in range(20)]
        file.write_text("\n".join(["id,wit,wit_a", *rows]))
    found = json.loads(polyjudge("audit", *files, "--json").out)
    assert found["judgements"] == [["v1/scores", ""], ["v2/scores", ""]]
    ended = polyjudge("audit", files[0], files[0])
    assert (ended.code, "is named twice" in ended.err) == (2, True)


def test_odd_cells_and_few_rows_are_told_in_whole_sentences_and_tables(tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text(f'id,a|b,a|b_1,when\nx,3,3,"{"long " * 50}"\n')
    told = polyjudge("audit", file, "--drift", "when").out
    assert "1 item. " in told
    assert "can be shown is unknown" in told
    assert r"a\|b" in told
    assert all(len(line) < 300 for line in told.splitlines())


def test_wrong_use_leaves_with_2(tmp_path):
    assert polyjudge("audit", tmp_path / "none.csv").code == 2
    assert polyjudge("audit").code == 2
    file = write_wide(tmp_path / "scores.csv", judged(documents=6))
    assert polyjudge("audit", file, "--fail-under", "spearman").code == 2
    ended = polyjudge("audit", file, "--drift", "daay")
    assert (ended.code, "no column 'daay'" in ended.err) == (2, True)
