"""What users can take away from a run: files, an address, scripts; and the invitation to the page."""
