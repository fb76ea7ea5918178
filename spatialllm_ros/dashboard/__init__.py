"""A web page on a running node: live camera, questions, history, latencies, standing questions.

A process of its own that is only a client, so the node never waits for a browser.
"""
