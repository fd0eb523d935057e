"""What logits said after every epoch, against values by hand."""

import pytest

from dnas_cli.report.logit_trace import last_change, trace_logits
from dnas_cli.run.rows import EpochRow
from dnas_cli.space.coding import first_space
from dnas_cli.space.logits import logit_keys

SPACE = first_space(2)  # stem>0,0; 0,0>1,0; 0,0>1,1: no node has a choice
WIDE = first_space(3)


def _rows(*values: dict[str, float]) -> list[EpochRow]:
    zero = dict.fromkeys(logit_keys(WIDE), 0.0)
    return [{"epoch": epoch, "logits": zero | more} for epoch, more in enumerate(values)]


def test_shares_compete_within_a_node() -> None:
    trace = trace_logits(WIDE, _rows({"1,0>2,0": 1.0986122886681098}))  # the logarithm of 3
    shares = trace[0].shares
    assert shares["1,0>2,0"] == pytest.approx(0.75)
    assert shares["1,1>2,0"] == pytest.approx(0.25)
    assert shares["0,0>1,0"] == 1.0
    assert trace[0].entropies["2,0"] == pytest.approx(0.8113, abs=1e-4)  # of 3:1, in bits
    assert "1,0" not in trace[0].entropies  # has no choice


def test_the_last_change_of_the_coding_is_found() -> None:
    up = {"1,1>2,1": 3.0}
    assert last_change(trace_logits(WIDE, _rows({}, up, {}, {}))) == 3
    assert last_change(trace_logits(WIDE, _rows({}, {}, {}))) == 1
    assert last_change([]) is None


def test_rows_of_another_space_are_left_out() -> None:
    assert trace_logits(WIDE, [{"epoch": 0, "logits": {"9,9>9,9": 1.0}}]) == []
    assert (
        len(trace_logits(SPACE, [{"epoch": 0, "logits": dict.fromkeys(logit_keys(SPACE), 0.0)}]))
        == 1
    )
