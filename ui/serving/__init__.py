"""Serve the app: the HTTP server, the checks of requests, and the connection to gradio. Nothing here
computes pictures.
"""
