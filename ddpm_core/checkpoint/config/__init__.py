"""Check the configuration files of a checkpoint. A value that is not allowed raises an error of one sentence."""
