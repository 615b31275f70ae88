"""Replace emoji by their names, for models that learned only the names."""

from __future__ import annotations

import re
import unicodedata

RANGES = ((0x2600, 0x27C0), (0x2B00, 0x2C00), (0x1F300, 0x1FB00))
# Unicode calls a filled symbol black or heavy, and an outlined symbol white: ❤ is HEAVY BLACK HEART.
NAMES = {
    chr(code): re.sub("heavy |black |white ", "", unicodedata.name(chr(code), "").lower())
    for low, high in RANGES
    for code in range(low, high)
    if unicodedata.category(chr(code)) == "So"
}
# Joiners, variation selectors and skin tones get the name "", which removes them.
NAMES |= dict.fromkeys("\ufe0e\ufe0f\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff", "")


def name_emoji(prompt: str) -> str:
    """Return the prompt with each emoji replaced by its name, such as "dog" for 🐕."""
    if prompt.isascii():
        return prompt
    named = "".join(f" {NAMES[letter]} " if letter in NAMES else letter for letter in prompt)
    return " ".join(named.split())
