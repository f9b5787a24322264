"""The shipped model bundles and their cards."""
