"""The profiles that ship. To add one: put NAME.yml beside this file; it is found by its name."""
