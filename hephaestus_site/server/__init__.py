"""The server process: daphne with limits, flow control and a stop that ends; several on one socket."""
