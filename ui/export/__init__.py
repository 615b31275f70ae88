"""Files for people who don't have the page open: the preview picture of a link, and the invitation."""
