"""The command `python -m benchmarks reliability`; what it does takes minutes, and is run by hand."""

import time

import pytest

from benchmarks import reliability
from benchmarks._load import together


def test_a_part_that_does_not_exist_is_refused_with_those_that_do(capsys):
    with pytest.raises(SystemExit):
        reliability.main(["crowds"])
    assert "there is no part 'crowds': choose from crowd, shares, vanish" in capsys.readouterr().err


def test_a_failed_part_is_the_exit_code(monkeypatch, capsys, tmp_path):
    parts = {"good": lambda folder, options: {"passed": True}, "bad": lambda folder, options: {"passed": False}}
    monkeypatch.setattr(reliability, "PARTS", parts)
    for names, code in ((["good"], 0), (["good", "bad"], 1), ([], 1)):
        with pytest.raises(SystemExit) as end:
            reliability.main([*names, "--json", str(tmp_path / "results.json")])
        assert end.value.code == code
    assert '"part": "bad", "passed": false' in capsys.readouterr().out


def test_clients_are_timed_each_on_its_own_and_an_error_is_raised():
    assert max(together([lambda: time.sleep(0.05), lambda: None])) >= 0.05
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1 / 0, lambda: None])
