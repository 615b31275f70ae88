"""Record examples and pictures for the page. The recordings are committed. The server never imports this package."""
