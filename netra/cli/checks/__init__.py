"""What `netra doctor` looks at: each check names what it found and, if wrong, how to mend it."""
