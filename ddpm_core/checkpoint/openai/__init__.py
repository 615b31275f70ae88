"""OpenAI's own files of weights (`.pt`): what their shapes say, what only a table can, and how to convert them."""
