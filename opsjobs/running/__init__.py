"""RUN the stack that was rendered: put its files into a folder, have its own tools check them, start it and stop it.

folder.py     the rendered files on the disk
tools.py      promtool and amtool: what the makers of Prometheus and Alertmanager say of the files
programs.py   the parts as programs of this machine
containers.py the parts in containers, by the compose file
"""
