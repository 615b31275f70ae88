"""Solutions of the exercises, a module for each notebook: the tests run the notebooks with them."""
