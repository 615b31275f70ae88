"""What the configuration files of a checkpoint may say, and the sentence for what they may not. No weights."""
