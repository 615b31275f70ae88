"""Check the values of forms and write numbers. Nothing here needs a model in memory."""
