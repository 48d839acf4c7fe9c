"""Entry points of the processes behind the API: cpu and gpu workers, scheduler, Flower."""
