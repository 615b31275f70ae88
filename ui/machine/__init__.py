"""Share this machine among runs: turns, limits, step times, temporary files, the log. ui.models is not imported."""
