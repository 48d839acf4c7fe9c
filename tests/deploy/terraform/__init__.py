"""Checks of deploy/terraform without Terraform itself, which no package index here carries.

`parse` reads the files (python-hcl2), `format` writes them canonically (HashiCorp's own writer,
compiled to WebAssembly), `providers` says what each resource takes (from the providers' own
schemas), and `check` compares all names with each other.
"""
