"""Emoji as words, for models that learned names and know nothing else of them."""

from __future__ import annotations

import re
import unicodedata

RANGES = ((0x2600, 0x27C0), (0x2B00, 0x2C00), (0x1F300, 0x1FB00))
# Old symbols are called black or white for whether they are filled: ❤ is a "heavy black heart".
NAMES = {
    chr(code): re.sub("heavy |black |white ", "", unicodedata.name(chr(code), "").lower())
    for low, high in RANGES
    for code in range(low, high)
    if unicodedata.category(chr(code)) == "So"
}
NAMES |= dict.fromkeys("\ufe0e\ufe0f\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff", "")  # how one is drawn


def in_words(prompt: str) -> str:
    """A prompt with the names of its emoji in their place."""
    if prompt.isascii():
        return prompt
    named = "".join(f" {NAMES[letter]} " if letter in NAMES else letter for letter in prompt)
    return " ".join(named.split())
