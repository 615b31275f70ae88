"""What a run reads: latents, captions, the other processes of the run, and whether its images are the same."""
