"""Check the configuration files of a checkpoint, with a sentence for each value that is not allowed. No weights."""
