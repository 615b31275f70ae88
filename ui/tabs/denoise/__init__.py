"""The Denoise tab."""
