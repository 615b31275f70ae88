"""Manage runs: their requests and plans, their jobs in background threads, and the messages for clients."""
