"""The Latents tab: what x_t holds, shown by reconstructions and interpolations."""
