"""Checks of the exercises: `check.posterior(your_function)` says in one sentence what is wrong, or "Right."."""

from course.check import back, faster, forward, inside, learning, score

# The exercises of each notebook; a module of this name has the checks, and one in course.solutions the solutions.
NOTEBOOKS = {
    "1_forward": forward.EXERCISES,
    "2_learning": learning.EXERCISES,
    "3_back": back.EXERCISES,
    "4_faster": faster.EXERCISES,
    "5_score": score.EXERCISES,
    "6_inside": inside.EXERCISES,
}
EXERCISES = {exercise.name: exercise for exercises in NOTEBOOKS.values() for exercise in exercises}
globals().update(EXERCISES)
