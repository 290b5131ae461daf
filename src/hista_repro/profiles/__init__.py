"""The profiles that come with the package; `hista_repro.runner.profiles` reads them."""

PROFILES = ("smoke", "cpu", "night", "real", "gpu", "paper")
"""Their names, from the smallest to the largest. Each has a .yaml file beside this one."""
