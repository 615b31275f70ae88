"""Pictures on their way to and from the page. What is done with them is in parts."""
