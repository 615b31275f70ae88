"""Share this machine among runs: turns, limits, step times, temporary files, the log. Nothing here imports
ui.models.
"""
