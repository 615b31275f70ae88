"""What evaluates a network: torch, torch.compile or OpenVINO."""
