"""Communication with the Hugging Face Hub: lists of files, downloads and errors. The content is read elsewhere."""
