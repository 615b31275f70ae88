"""Provide the models of the page: the list of checkpoints, the models in memory, and the form options of each model."""
