"""The Plane tab."""
