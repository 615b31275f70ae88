"""`python -m train distill`: makes a student of 1 to a few steps out of a trained model."""
