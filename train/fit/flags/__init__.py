"""The flags of a run: their values, limits and presets, and which of them suit a machine."""
