"""A course in six notebooks: the student fills in the equations, and `course.check` says whether they are right."""

import warnings

warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, which wants ipywidgets for its bars
