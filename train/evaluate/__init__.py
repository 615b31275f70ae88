"""`python -m train evaluate`: scores and likelihoods by number of steps and variance."""
