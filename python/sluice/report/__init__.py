"""The command `sluice report`: a page that shows where a network's gates skip, and what that saves.

command.py reads the command line. classified.py and times.py run the program and keep what it says, plan.py draws the
plan, charts.py the plots, and page.py puts all into page.html. Needs the packages of sluice-cnn[report].
"""
