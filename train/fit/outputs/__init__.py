"""The outputs of a run: its progress, previews, the model and its card."""
