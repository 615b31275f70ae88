"""What the page can compute, a file for each of its parts, and what several of them share. No part imports another."""
