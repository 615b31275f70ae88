"""Shared by several commands: the settings of a run, flags, whole files, locks, the machine, a full memory."""
