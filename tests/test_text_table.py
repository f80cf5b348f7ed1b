from __future__ import annotations

from vla_rl_bench.text_table import aligned, text_lines


def test_text_lines_aligns_first_column_left_and_others_right() -> None:
    assert text_lines([("arm", "rate"), ("sft-rl", "9.5"), ("x", "")]) == ["arm     rate", "sft-rl   9.5", "x"]


def test_text_lines_aligns_as_many_columns_left_as_asked() -> None:
    assert text_lines([("a", "b", "1"), ("aa", "bbb", "10")], left=2) == ["a   b     1", "aa  bbb  10"]


def test_text_lines_without_rows_is_empty() -> None:
    assert text_lines([]) == []


def test_aligned_pads_every_cell_to_its_column() -> None:
    assert aligned([("a", "10"), ("bb", "1")]) == [["a ", "10"], ["bb", " 1"]]
