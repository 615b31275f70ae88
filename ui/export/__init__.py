"""What leaves the app: the picture beside a link, and the invitation to the page."""
