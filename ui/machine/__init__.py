"""What this machine gives, and to whom: turns, limits, times of steps, temporary files, the log. Nothing of models."""
