"""What can be taken away from a run: files, a link, scripts."""
