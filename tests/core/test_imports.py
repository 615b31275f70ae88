"""How libraries are imported: `ddpm_core.imports`."""

import gc

import pytest

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
