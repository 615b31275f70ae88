"""The server, its gate, and what is only there because of gradio. What is computed is not here."""
