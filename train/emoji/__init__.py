"""Emoji with their names as a data set: `python -m train.emoji NODE_MODULES FOLDER`."""
