"""Atomic writing of files and folders, cache folders, and locks. Nothing here depends on the content of a file."""
