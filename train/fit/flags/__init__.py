"""The limits of a run's flags, the fastest flags for a machine, and the command that the page starts for Train."""
