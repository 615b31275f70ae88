"""Autoencoders, in whose latents `train fit --decoder` works."""
