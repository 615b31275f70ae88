"""What is computed from a trained model for its sampling: Γ_t, the times of few steps. No weights change."""
