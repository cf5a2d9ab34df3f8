"""How calls that last are shown: on a terminal, in a notebook, to a function."""
