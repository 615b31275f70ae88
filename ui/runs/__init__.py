"""A run of the sampler, from settings to frames. Nothing here uses gradio."""
