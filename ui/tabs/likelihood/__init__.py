"""The Likelihood tab: how many bits a picture takes, and where they go; and the results of `train evaluate`."""
