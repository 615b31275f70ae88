"""Files beside the weights with results that were computed from them: Γ_t, optimised times, readers."""
