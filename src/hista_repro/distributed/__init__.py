"""Work that is handed out: to this process, to others of this machine, or to the machines of a Ray cluster.

What is handed out are numbered units whose results depend on the unit alone, so it does not matter who makes them, nor how often.
"""

from hista_repro.distributed.cluster import Resources, ray_cluster
from hista_repro.distributed.processes import hire_processes
from hista_repro.distributed.workers import Hire, Workers, hire_here, hire_on_ray

__all__ = ["Hire", "Resources", "Workers", "hire_here", "hire_on_ray", "hire_processes", "ray_cluster"]
