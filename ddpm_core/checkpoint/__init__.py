"""Checkpoints: parse references, download files, check configurations, and load and save models."""
