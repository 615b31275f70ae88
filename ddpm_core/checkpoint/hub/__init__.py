"""Communication with the Hugging Face Hub: listing, downloads and errors. `config` says what the files mean."""
