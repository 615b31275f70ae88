"""Things for people who don't have the page open: the picture beside a link, and the invitation."""
