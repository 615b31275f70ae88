"""`python -m train fit`: the recipe, the training loop and what a run keeps."""
