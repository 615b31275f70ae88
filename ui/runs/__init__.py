"""Who computes what when, and what is said of it: jobs, their messages, settings in words. No sampler."""
