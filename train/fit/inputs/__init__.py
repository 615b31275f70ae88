"""The inputs of a run: latents, captions, the other processes of the run, and whether its images are the same."""
