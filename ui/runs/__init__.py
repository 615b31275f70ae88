"""A run of the sampler, from settings to frames. Nothing here knows gradio."""
