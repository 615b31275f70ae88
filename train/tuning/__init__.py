"""Computed from a trained model: Γ_t, the times of few steps, the readers of its blocks. No weights change."""
