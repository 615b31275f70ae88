from __future__ import annotations

from ui.place import Place


class LatentsPlace(Place):
    def close(self, seconds: float) -> None:
        pass
