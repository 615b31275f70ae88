"""The page without a server: `python -m ui.static OUT` writes a folder that any web server can send. Nothing here
serves, or computes a picture.
"""
