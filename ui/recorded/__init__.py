"""What is recorded once and committed: examples, the course's pictures. The server never imports it."""
