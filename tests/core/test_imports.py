"""How libraries are imported: `ddpm_core.imports`, and the rooms of diffusers that wait."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from types import SimpleNamespace

import pytest

from ddpm_core.engines import from_diffusers
from ddpm_core.imports import collector_off


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


@pytest.fixture
def postponed(tmp_path, monkeypatch):
    """Postpone a room of diffusers with this __init__, which reaches `its` things as the module `room_test`."""

    def make(source, **its):
        (tmp_path / "room").mkdir()
        (tmp_path / "room" / "__init__.py").write_text(
            f"from . import part\nimport room_test\n{source}\nlast = part.one\n"
        )
        (tmp_path / "room" / "part.py").write_text("one = 1\n")
        diffusers = sys.modules["diffusers"]
        monkeypatch.setattr(diffusers, "__path__", [*diffusers.__path__, str(tmp_path)])
        monkeypatch.setitem(sys.modules, "room_test", SimpleNamespace(**its))
        for name in ("diffusers.room", "diffusers.room.part"):
            monkeypatch.setitem(sys.modules, name, None)
            del sys.modules[name]
        monkeypatch.setattr(diffusers, "room", None, raising=False)
        from_diffusers.postpone("room")
        return sys.modules["diffusers.room"]

    return make


def test_a_thread_that_asks_a_room_while_another_runs_it_waits(postponed):
    begun, go = Event(), Event()
    room = postponed("room_test.begun.set()\nroom_test.go.wait(10)", begun=begun, go=go)
    with ThreadPoolExecutor(2) as threads:
        try:
            first = threads.submit(lambda: room.last)
            assert begun.wait(10)
            second = threads.submit(lambda: room.last)
            assert not wait([second], 0.05).done
        finally:
            go.set()
        assert (first.result(10), second.result(10)) == (1, 1)
    with pytest.raises(AttributeError):
        _ = room.other


def test_a_room_that_could_not_be_run_is_run_again(postponed):
    room = postponed("room_test.tries.pop()", tries=[])
    with pytest.raises(IndexError):
        _ = room.last
    sys.modules["room_test"].tries.append(1)
    assert room.last == 1
