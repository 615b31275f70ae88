"""Write the page as a folder that needs no Python server: `python -m ui.static OUT`. Nothing here serves requests or
computes pictures.
"""
