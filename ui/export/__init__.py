"""What users can take away from a run: files and an address; and the invitation to the page."""
