"""The sources of images, and the batches: which image and which noise each step uses."""
