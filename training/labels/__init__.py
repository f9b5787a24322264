"""Our own labels of third-party images, by file name."""
