"""The sources of images, and the batches: which image and which noise belong to which step."""
