"""The outputs of a run: its progress, previews, the model and the model card."""
