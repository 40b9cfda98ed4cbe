"""How many visitors take chosen steps one after the other: counted in the background, kept per day.

`counting` is pure; `reading` asks the engine for one day; `running` counts what is due; `figures`
is what pages show of it.
"""
