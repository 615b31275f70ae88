"""Files that are written whole, cache folders, and who holds a file. Nothing here knows what a file means."""
