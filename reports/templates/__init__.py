"""The templates of the reports, as package data: read through `importlib.resources.files("opsjobs.templates")`."""
