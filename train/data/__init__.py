"""Where images come from, and which of them, with which noise, belong to which step."""
