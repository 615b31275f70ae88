"""Record examples and pictures for the page. They are committed, and the server never imports this package."""
