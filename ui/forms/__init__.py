"""What a value of a form may be, and how numbers are written. No model is in memory here."""
