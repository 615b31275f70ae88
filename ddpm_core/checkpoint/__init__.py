"""Checkpoints: what a reference names, how its files get here, and what they say."""
