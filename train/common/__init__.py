"""Code that several commands share: settings of a run, flags, files, locks, the machine, out-of-memory errors."""
