"""Step times from kernels that were measured on each GPU: `aiconfigurator-core`, an optional extra.

It reads the installed package and keeps tables on disk, so it is neither an analysis nor an agent;
agents get it through their inputs. Nothing is ever downloaded: a model whose configuration does not
ship with the package is refused before the package is asked.
"""
