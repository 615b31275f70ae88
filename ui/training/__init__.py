"""Training on the page: what a visitor chooses, the process that trains, who visits."""
