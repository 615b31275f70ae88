"""The search for the times that serve a model's few steps best. Students, made for few steps, are in student.py."""
