"""What speaks with the Hugging Face Hub: listing, downloads and their errors. What the files mean is in config."""
