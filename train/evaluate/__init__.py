"""`python -m train evaluate`: scores and likelihoods by steps and variance."""
