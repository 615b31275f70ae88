"""`python -m train fit`: the recipe, the training loop, and the files that a run keeps."""
