"""Build time: from a trained network to the graph that ships."""
