"""`python -m train distill`: make a student of one or a few steps from a trained model."""
