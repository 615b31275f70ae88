"""What a run writes: its progress, previews, the model and its card."""
