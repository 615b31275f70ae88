"""A course in five notebooks: the student fills in the equations, and `course.check` says whether they are right."""
