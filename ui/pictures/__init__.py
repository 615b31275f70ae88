"""Convert pictures for messages to and from the page. The parts compute with them."""
