"""Durable execution: submit, admit, claim, heartbeat, complete, fail, cancel, reap."""
