"""Which values a run's flags can have, which suit a machine, and the flags of a run that Train on the page starts."""
