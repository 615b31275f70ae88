"""Make a data set of emoji with their names: `python -m train.emoji NODE_MODULES FOLDER`."""
