"""What the page can compute, a file for each place or part of one. No place imports another."""
