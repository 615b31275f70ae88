"""The parts of the command line `python -m ddpm_core` that several commands share, and the longer commands."""
