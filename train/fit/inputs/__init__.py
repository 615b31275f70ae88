"""The inputs of a run: latents, captions, the weights of --init, other processes, and the identity of its images."""
