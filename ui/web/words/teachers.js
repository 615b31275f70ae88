// What the Course says to teachers: a name, and what to know of it.

/** @type {[name: string, text: string][]} */
export const TEACHERS = [
  [
    "Notebooks",
    "Six notebooks let students write the equations themselves. Each takes 8 to 40 minutes on two CPU cores and checks every function. You find them in the project's folder “course”, with advice for a class in “teaching.md”.",
  ],
  [
    "A link for your class",
    "Open a lesson and set up the page as your class should find it. Under “For teachers” in the lesson, tick the controls that students may use. Then copy the link.",
  ],
  [
    "Projector",
    "Press F. The pictures fill the wall, and Q shows a large code of the link. F or Escape brings the page back.",
  ],
  [
    "What to install",
    "For the page, students need only a browser. Run “python app.py --host 0.0.0.0” on your computer, and everybody in the room can open it. Or put the folder of “python -m ui.static” on any web server. For the notebooks, each laptop needs Python, 1.5 GB of disk, and once a network: “pip install -r course/requirements.txt”, then “jupyter lab course”.",
  ],
];
