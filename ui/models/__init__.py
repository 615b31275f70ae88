"""The models of a page: which there are, what is loaded, what a form offers for one."""
