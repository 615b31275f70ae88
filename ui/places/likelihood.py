from __future__ import annotations

from ui.place import Place


class LikelihoodPlace(Place):
    def close(self, seconds: float) -> None:
        pass
