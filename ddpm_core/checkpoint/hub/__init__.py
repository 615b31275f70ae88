"""Communication with the Hugging Face Hub: lists of files, downloads and errors. Other modules read the files."""
