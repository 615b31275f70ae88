"""How libraries are imported: `ddpm_core.imports`, and diffusers' packages, whose __init__ waits."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest

from ddpm_core.engines.from_diffusers import postpone
from ddpm_core.imports import collector_off


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package whose postponed __init__ needs a while for each of two names, and fails while a file is there."""
    package = tmp_path / "slow_house" / "room"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    lines = ["import pathlib, time", "time.sleep(0.05)", "first = [1]", "time.sleep(0.05)", "second = [2]"]
    broken = "if pathlib.Path(__file__).with_name('broken').exists(): raise ImportError('broken')"
    (package / "__init__.py").write_text("\n".join([*lines[:3], broken, *lines[3:]]))
    monkeypatch.syspath_prepend(tmp_path)
    import_module("slow_house")
    postpone("slow_house.room")
    yield package
    for name in ("slow_house.room", "slow_house"):
        del sys.modules[name]


def test_a_thread_that_asks_a_package_while_its_init_runs_waits(room):
    from slow_house import room as module  # pyright: ignore[reportMissingImports]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: module.second, range(4)))
    assert all(one is module.second for one in found)  # it ran once


def test_a_package_whose_init_failed_can_be_asked_again(room):
    from slow_house import room as module  # pyright: ignore[reportMissingImports]

    (room / "broken").touch()
    with pytest.raises(ImportError, match="broken"):
        _ = module.second
    (room / "broken").unlink()
    assert module.second == [2]
    with pytest.raises(AttributeError, match="third"):
        _ = module.third


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_off_meanwhile_and_as_before_after_it(on):
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with pytest.raises(ImportError), collector_off():
            assert not gc.isenabled()
            with collector_off():
                pass
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == on
    finally:
        (gc.enable if was_on else gc.disable)()
