"""Training of autoencoders, whose latents `train fit --decoder` uses."""
