"""Compute tables from a trained model without changing it: Γ_t, optimised time steps, readers of its blocks."""
