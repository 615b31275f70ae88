"""Convert OpenAI's files of weights (`.pt`): options follow from the shapes of tensors, or from a table of presets."""
