"""What is computed from a trained model: Γ_t, the times of few steps, what reads its blocks. No weights change."""
