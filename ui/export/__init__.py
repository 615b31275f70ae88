"""What leaves the app: what files of a run are made of, the picture beside a link, and the invitation to the page."""
