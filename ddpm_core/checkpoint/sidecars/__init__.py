"""Files beside the weights that the Hub's layout has no field for: ddpm_core.json, Γ_t, searched times, readers."""
