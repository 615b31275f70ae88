"""Convert pictures for messages to and from the page. `ui.parts` computes the pictures."""
